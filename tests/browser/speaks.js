// Somebody who says of himself what he wants to: opens a text as a program does, and says a state of awareness.
async ([room, state]) => {
  const bytes = (text) => [...new TextEncoder().encode(text)]
  const number = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...number(value >>> 7)])
  const data = (value) => [...number(value.length), ...value]
  const said = [1, ...number(4321), ...number(1), ...data(bytes(state))] // one client, its clock, its state
  const token = sessionStorage.getItem('yp2p-token')
  const socket = new WebSocket(`ws://${location.host}/v1/y/${room}`, ['yp2p', `token.${token}`])
  socket.binaryType = 'arraybuffer'
  await new Promise((open) => { socket.onopen = open })
  socket.send(new Uint8Array([1, ...data(said)]))
  window.speaking = socket
}
