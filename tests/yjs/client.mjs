// Stock clients of the documents socket: Y.Doc and unmodified y-websocket, one JSON command a line, for test_clients.py.
import * as Y from 'yjs'
import { WebsocketProvider } from 'y-websocket'
import WebSocket from 'ws'
import { createInterface } from 'node:readline'

const clients = new Map()
console.warn = console.error // only answers go to the standard output

// The browser that CodeMirror needs, of jsdom; loaded where an editor is asked for.
let browser = null
const editorOf = async (text, awareness) => {
  if (browser === null) {
    const { JSDOM } = await import('jsdom')
    const { window } = new JSDOM('<!doctype html><body></body>', { pretendToBeVisual: true })
    for (const name of ['MutationObserver', 'HTMLElement', 'Node', 'Range', 'Window', 'getComputedStyle', 'requestAnimationFrame', 'cancelAnimationFrame']) {
      globalThis[name] ??= window[name]
    }
    Object.assign(globalThis, { window, document: window.document })
    window.Range.prototype.getClientRects = () => []
    window.document.hasFocus = () => true
    browser = {
      ...await import('@codemirror/state'), ...await import('@codemirror/view'), ...await import('y-codemirror.next')
    }
  }
  const { EditorState, EditorView, yCollab } = browser
  const state = EditorState.create({ doc: text.toString(), extensions: [yCollab(text, awareness)] })
  const view = new EditorView({ state, parent: document.body })
  Object.defineProperty(view, 'hasFocus', { get: () => true }) // who has the focus tells where the cursor is
  return view
}

const open = async ({ name, socket, path, room, root, user, editor }) => {
  const doc = new Y.Doc()
  const [server, roomname] = room ? [`ws+unix:${socket}:/v1/y`, room] : [`ws+unix:${socket}:/v1`, 'documents']
  const provider = new WebsocketProvider(server, roomname, doc, {
    params: { ...(room ? {} : { path }), ...(root && room ? { root } : {}) },
    WebSocketPolyfill: WebSocket, maxBackoffTime: 200
  })
  const text = doc.getText(root ?? 'source')
  const client = { doc, provider, text, connects: 0, denied: [], closed: null, heard: 0, typed: 0, editor: null }
  provider.messageHandlers[2] = (encoder, decoder) => {
    decoder.pos += 1 // permission denied
    const size = decoder.arr[decoder.pos++]
    const length = size < 128 ? size : (size & 127) | (decoder.arr[decoder.pos++] << 7)
    client.denied.push(Buffer.from(decoder.arr.subarray(decoder.pos, decoder.pos + length)).toString())
  }
  provider.on('status', ({ status }) => { if (status === 'connected') client.connects++ })
  provider.on('closed', ({ code, reason }) => { client.closed = { code, reason } })
  if (user) provider.awareness.setLocalStateField('user', { name: user, color: '#123456', colorLight: '#12345633' })
  if (editor) client.editor = await editorOf(text, provider.awareness)
  clients.set(name, client)
}

// The same over Hocuspocus' framing, all of one socket, and with what version 4 of y-websocket is made for.
const sockets = new Map()
const openOther = async ({ name, socket, room, root, user, kind }) => {
  const client = { connects: 0, denied: [], closed: null, typed: 0, editor: null, unsynced: null }
  if (kind === 'hocuspocus') {
    const { HocuspocusProvider, HocuspocusProviderWebsocket } = await import('@hocuspocus/provider')
    if (!sockets.has(socket)) {
      sockets.set(socket, new HocuspocusProviderWebsocket({
        url: `ws+unix:${socket}:/v1/hocuspocus`, WebSocketPolyfill: WebSocket, delay: 100, minDelay: 100, maxDelay: 300
      }))
    }
    const doc = client.doc = new Y.Doc()
    const provider = new HocuspocusProvider({ websocketProvider: sockets.get(socket), name: room, document: doc })
    provider.on('authenticated', () => { client.connects++ })
    provider.on('authenticationFailed', ({ reason }) => { client.denied.push(reason); client.closed = { reason } })
    provider.on('stateless', ({ payload }) => { client.denied.push(payload) })
    provider.on('unsyncedChanges', ({ number }) => { client.unsynced = number })
    provider.attach()
    client.text = doc.getText(root ?? 'source')
    client.provider = provider
  } else {
    const { Doc } = await import('@y/y')
    const { WebsocketProvider } = await import('@y/websocket')
    const doc = client.doc = new Doc()
    client.text = doc.get(root ?? 'source')
    client.provider = new WebsocketProvider(`ws+unix:${socket}:/v1/y`, room, doc, { WebSocketPolyfill: WebSocket, maxBackoffTime: 200 })
    client.provider.on('status', ({ status }) => { if (status === 'connected') client.connects++ })
  }
  if (user) client.provider.awareness.setLocalStateField('user', { name: user, color: '#123456', colorLight: '#12345633' })
  clients.set(name, client)
}

const change = (client, at, remove, insert) => {
  const { doc, text, editor } = client
  if (editor) {
    editor.dispatch({ changes: { from: at, to: at + remove, insert }, selection: { anchor: at + insert.length } })
  } else {
    doc.transact(() => { if (remove) text.delete(at, remove); if (insert) text.insert(at, insert) })
  }
}

// Somebody who types: each edit is a line with a word that is nowhere else, and takes out one of the other characters.
const type = async ({ name, edits, pause }) => {
  const client = clients.get(name)
  const fillings = ['😀', '👍🏽', '漢', 'é', '·']
  for (let number = 0; number < edits; number++) {
    const text = client.editor ? client.editor.state.doc.toString() : client.text.toString()
    const starts = [0]
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
    const pick = list => list[Math.floor(Math.random() * list.length)]
    change(client, pick(starts), 0, `<${name}.${number}> ${pick(fillings)} ${pick(fillings)}\n`)
    const now = client.editor ? client.editor.state.doc.toString() : client.text.toString()
    const others = [...now.matchAll(/[^\x00-\x7f]/gu)]
    if (others.length) { const gone = pick(others); change(client, gone.index, gone[0].length, '') }
    client.typed++
    await new Promise(resolve => setTimeout(resolve, Math.random() * 2 * pause))
  }
}

const splice = ({ name, at, remove, insert }) => { change(clients.get(name), at, remove, insert) }

const commands = {
  open: command => command.kind ? openOther(command) : open(command),
  splice,
  type: command => { type(command) },
  format: ({ name, at, length }) => { clients.get(name).text.format(at, length, { bold: true }) },
  embed: ({ name, at }) => { clients.get(name).text.insertEmbed(at, { image: 'x' }) },
  look: ({ name }) => {
    const { doc, provider, text, connects, denied, closed, typed, editor, unsynced } = clients.get(name)
    const others = [...provider.awareness.getStates()].filter(([id]) => id !== doc.clientID)
    return {
      unsynced, text: text.toString(), delta: text.toDelta(), synced: provider.synced, connected: provider.wsconnected, connects,
      denied, closed, client: doc.clientID, others: Object.fromEntries(others), typed,
      shown: editor && editor.state.doc.toString(),
      carets: editor && [...editor.contentDOM.querySelectorAll('.cm-ySelectionInfo')].map(one => one.textContent)
    }
  },
  progress: ({ name }) => ({ typed: clients.get(name).typed, synced: clients.get(name).provider.synced }),
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
  process.stdout.write(JSON.stringify(await commands[command.do](command) ?? null) + '\n')
}
process.exit(0)
