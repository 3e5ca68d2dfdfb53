"""Message encoding and decoding: variable-length integers and strings, as Yjs has them on the wire.

Prints::

    bytes: 2a0d48656c6c6f2c20776f726c6421
    number: 42
    text: Hello, world!
    1000 is e807
    ours is the same: True
    a string of 4 characters in 5 bytes: the library writes length 4, so we write it ourselves: 05c3a9707366
"""

from pycrdt import Decoder, Encoder, write_var_uint

from yp2p.protocol.wire import write_varint

encoder = Encoder()
encoder.write_var_uint(42)
encoder.write_var_string("Hello, world!")
data = encoder.to_bytes()
print(f"bytes: {data.hex()}")

decoder = Decoder(data)
print(f"number: {decoder.read_var_uint()}")
print(f"text: {decoder.read_var_string()}")

print(f"1000 is {write_var_uint(1000).hex()}")
print(f"ours is the same: {write_varint(1000) == write_var_uint(1000)}")

word = "épsf".encode()
encoder = Encoder()
encoder.write_var_string("épsf")
length = encoder.to_bytes()[0]
print(
    f"a string of 4 characters in 5 bytes: the library writes length {length}, so we write it ourselves: "
    f"{(write_varint(len(word)) + word).hex()}"
)
