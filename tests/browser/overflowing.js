// Elements that reach beyond the window and are in nothing that scrolls or cuts.
() => {
  const width = document.documentElement.clientWidth
  const isCut = (element) => {
    for (let one = element.parentElement; one; one = one.parentElement) {
      if (getComputedStyle(one).overflowX !== 'visible' && one !== document.body && one !== document.documentElement)
        return true
    }
    return false
  }
  const wide = [...document.body.querySelectorAll('*')].filter((one) => {
    const box = one.getBoundingClientRect()
    return box.width > 0 && box.right > width + 1 && !isCut(one) && getComputedStyle(one).visibility !== 'hidden'
  })
  const found = wide.map((one) => `${one.tagName}.${one.className}: ${Math.round(one.getBoundingClientRect().right)}`)
  if (document.documentElement.scrollWidth > width) found.push(`the page: ${document.documentElement.scrollWidth}`)
  return found
}
