// Everything that a page can send to an address: gives of each what it could read.
async ([address, token]) => {
  const bearer = { Authorization: `Bearer ${token}` }
  const json = { 'Content-Type': 'application/json' }
  const seen = {}
  const ask = async (name, path, options) => {
    try {
      const answer = await fetch(address + path, options)
      seen[name] = [answer.status, await answer.text()]
    } catch (error) {
      seen[name] = String(error)
    }
  }
  await ask('page', '/', {})
  await ask('script', '/page.js', {})
  await ask('status', '/v1/status', {})
  await ask('status with a token', '/v1/status', { headers: bearer })
  await ask('status unread', '/v1/status', { mode: 'no-cors' })
  await ask('pause', '/v1/folder/pause', { method: 'POST', headers: { ...bearer, ...json }, body: '{}' })
  const simple = { 'Content-Type': 'text/plain' }
  await ask('pause as text', '/v1/folder/pause', { method: 'POST', body: '{}', mode: 'no-cors', headers: simple })
  await ask('session', '/v1/session', { method: 'POST', headers: json, body: '{"code":"x"}' })
  await ask('events', '/v1/events', { headers: bearer, signal: AbortSignal.timeout(3000) })
  const socket = (name, protocols) => new Promise((done) => {
    const one = new WebSocket(`${address.replace('http', 'ws')}/v1/documents?path=x`, protocols)
    one.onopen = () => { seen[name] = 'open'; one.close(); done() }
    one.onmessage = (event) => { seen[name] = 'a message' }
    one.onerror = () => { seen[name] = 'refused'; done() }
  })
  await socket('socket', [])
  await socket('socket with a token', ['yp2p', `token.${token}`])
  const load = (name, make) => new Promise((done) => {
    let element
    try {
      element = make()
    } catch {
      seen[name] = 'refused' // trusted types: no script is made of an address
      return done()
    }
    element.onload = () => { seen[name] = 'loaded'; done() }
    element.onerror = () => { seen[name] = 'refused'; done() }
    document.body.append(element)
    setTimeout(done, 3000)
  })
  await load('script element', () => Object.assign(document.createElement('script'), { src: address + '/page.js' }))
  await load('picture', () => Object.assign(new Image(), { src: address + '/icon.svg' }))
  return seen
}
