// Stock clients of the documents socket: Y.Doc and unmodified y-websocket, one JSON command a line, for test_clients.py.
import * as Y from 'yjs'
import { WebsocketProvider } from 'y-websocket'
import WebSocket from 'ws'
import { createInterface } from 'node:readline'

const clients = new Map()
console.warn = console.error // only answers go to the standard output

const open = ({ name, socket, path, root, user }) => {
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(`ws+unix:${socket}:/v1`, 'documents', doc, {
    params: { path }, WebSocketPolyfill: WebSocket, maxBackoffTime: 200
  })
  const client = { doc, provider, text: doc.getText(root ?? 'source'), connects: 0, denied: [], closed: null }
  provider.messageHandlers[2] = (encoder, decoder) => {
    decoder.pos += 1 // permission denied
    const size = decoder.arr[decoder.pos++]
    const length = size < 128 ? size : (size & 127) | (decoder.arr[decoder.pos++] << 7)
    client.denied.push(Buffer.from(decoder.arr.subarray(decoder.pos, decoder.pos + length)).toString())
  }
  provider.on('status', ({ status }) => { if (status === 'connected') client.connects++ })
  provider.on('closed', ({ code, reason }) => { client.closed = { code, reason } })
  if (user) provider.awareness.setLocalStateField('user', { name: user, color: '#123456' })
  clients.set(name, client)
}

const splice = ({ name, at, remove, insert }) => {
  const { doc, text } = clients.get(name)
  doc.transact(() => {
    if (remove) text.delete(at, remove)
    if (insert) text.insert(at, insert)
  })
}

const commands = {
  open,
  splice,
  format: ({ name, at, length }) => { clients.get(name).text.format(at, length, { bold: true }) },
  embed: ({ name, at }) => { clients.get(name).text.insertEmbed(at, { image: 'x' }) },
  look: ({ name }) => {
    const { doc, provider, text, connects, denied, closed } = clients.get(name)
    const others = [...provider.awareness.getStates()].filter(([id]) => id !== doc.clientID)
    return {
      text: text.toString(), delta: text.toDelta(), synced: provider.synced, connected: provider.wsconnected, connects,
      denied, closed, client: doc.clientID, others: Object.fromEntries(others)
    }
  },
  cursor: ({ name, at }) => {
    const { provider, text } = clients.get(name)
    const place = Y.createRelativePositionFromTypeIndex(text, at)
    provider.awareness.setLocalStateField('cursor', { anchor: place, head: place })
  },
  place: ({ name, position }) => {
    const found = Y.createAbsolutePositionFromRelativePosition(position, clients.get(name).doc)
    return found === null ? null : found.index
  },
  awareness: ({ name, state }) => { clients.get(name).provider.awareness.setLocalState(state) },
  disconnect: ({ name }) => { clients.get(name).provider.disconnect() },
  connect: ({ name }) => { clients.get(name).provider.connect() },
  destroy: ({ name }) => { clients.get(name).provider.destroy(); clients.get(name).doc.destroy(); clients.delete(name) },
  sleep: ({ ms }) => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms) } // reads nothing meanwhile
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  process.stdout.write(JSON.stringify(commands[command.do](command) ?? null) + '\n')
}
process.exit(0)
