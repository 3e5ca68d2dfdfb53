// A Yjs document that answers one JSON command a line, for test_yjs.py.
import * as Y from 'yjs'
import { createInterface } from 'node:readline'

const doc = new Y.Doc()
doc.clientID = 4242
const text = doc.getText('source')
let news = []
doc.on('update', update => news.push(Buffer.from(update).toString('hex')))

const hex = bytes => Buffer.from(bytes).toString('hex')
const bytes = hex => new Uint8Array(Buffer.from(hex, 'hex'))

const commands = {
  apply: ({ update }) => { Y.applyUpdate(doc, bytes(update)) },
  text: () => text.toString(),
  edit: ({ at, remove, insert }) => {
    news = []
    doc.transact(() => {
      if (remove) text.delete(at, remove)
      if (insert) text.insert(at, insert)
    })
    return news[0]
  },
  create: ({ index, assoc }) => {
    const position = Y.createRelativePositionFromTypeIndex(text, index, assoc)
    return { json: Y.relativePositionToJSON(position), bytes: hex(Y.encodeRelativePosition(position)) }
  },
  resolve: ({ json, bytes: data }) => {
    const position = data ? Y.decodeRelativePosition(bytes(data)) : Y.createRelativePositionFromJSON(json)
    return Y.createAbsolutePositionFromRelativePosition(position, doc)?.index ?? null
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  process.stdout.write(JSON.stringify(commands[command.do](command) ?? null) + '\n')
}
