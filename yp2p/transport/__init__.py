"""Links between devices: TCP, the Noise handshake, frames, channels."""
