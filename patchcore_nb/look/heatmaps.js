// The parts of the heatmap explorer that answer in the page: a picture that tells the pixel that was asked about, the
// slider of the threshold, and the strip of all images. Python draws the pictures; the page only sends what was chosen.

const GOOD = '#2b8fd1'
const DEFECT = '#e0661a'
const LEFT = 54 // pixels of the strip: where its axis begins, free room on the right, middle and height of the lanes
const RIGHT = 14
const LANES = [64, 26]
const SPREAD = 26
const BAR = 84
const HEIGHT = 114
const NEAR = 9 // pixels between the mouse and what it means

const clamp = (x, low, high) => Math.max(low, Math.min(high, x))
const short = x => String(Number(x.toPrecision(3)))

function node(name, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

function numbers(model, name, kind) {
  const view = model.get(name) // bytes arrive as a DataView, which may begin anywhere
  return new kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength))
}

function tell(model, name, value) {
  model.set(name, value)
  model.save_changes()
}

// A picture, shown at half its pixels or less, so that it is sharp on dense screens, and never higher than the page.
function renderPicture({ model, el }) {
  const img = document.createElement('img')
  img.draggable = false
  img.tabIndex = 0
  img.setAttribute('role', 'button')
  Object.assign(img.style, { display: 'block', height: 'auto', cursor: 'crosshair' })
  const show = () => {
    const old = img.src
    img.onload = () => { if (old) URL.revokeObjectURL(old) }
    img.src = URL.createObjectURL(new Blob([model.get('jpeg')], { type: 'image/jpeg' }))
  }
  const fit = () => {
    const [height, width] = model.get('size')
    const longest = model.get('side') * width / Math.max(height, width)
    img.style.width = `min(100%, ${longest}px, calc(42vh * ${width / height}))`
  }
  const describe = () => { img.alt = model.get('alt') }
  const ask = point => tell(model, 'point', point.map((x, i) => clamp(Math.floor(x), 0, model.get('size')[i] - 1)))
  img.onclick = e => {
    const box = img.getBoundingClientRect()
    const [height, width] = model.get('size')
    ask([(e.clientY - box.top) * height / box.height, (e.clientX - box.left) * width / box.width])
  }
  img.onkeydown = e => {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Enter: [0, 0] }[e.key]
    if (!way || !(e.shiftKey || e.key === 'Enter')) return
    e.preventDefault()
    e.stopPropagation()
    const asked = model.get('point')[0] >= 0
    const from = asked ? model.get('point') : model.get('size').map(n => n / 2)
    ask(from.map((x, i) => x + 0.5 + way[i] * model.get('step')[i]))
  }
  model.on('change:jpeg', show)
  model.on('change:size change:side', fit)
  model.on('change:alt', describe)
  show()
  fit()
  describe()
  el.append(img)
}

// A slider that sends only what a hand does. One that also sends what its own rounding makes of a value from Python, as
// that of ipywidgets does, takes the threshold back while the line of the strip is dragged, and changes a smoothing.
function renderSlider({ model, el }) {
  const row = document.createElement('div') // a page may lay out the element itself in its own way
  Object.assign(row.style, { display: 'flex', alignItems: 'center', gap: '8px', height: '28px' })
  const label = document.createElement('label')
  Object.assign(label.style, { flex: '0 0 auto', width: `${model.get('label')}px`, textAlign: 'right' })
  const input = Object.assign(document.createElement('input'), { type: 'range', min: 0 })
  Object.assign(input.style, { flex: '1 1 0', minWidth: 0, margin: 0, accentColor: 'var(--jp-brand-color1, #1976d2)' })
  const told = document.createElement('output')
  Object.assign(told.style, { flex: '0 0 44px' })
  label.append(model.get('description'))
  input.setAttribute('aria-label', model.get('description'))
  const show = () => {
    Object.assign(input, { max: model.get('max'), step: model.get('step'), disabled: model.get('disabled') })
    input.value = model.get('value')
    told.textContent = short(model.get('value'))
    input.setAttribute('aria-valuetext', told.textContent)
  }
  input.oninput = () => {
    tell(model, 'value', Number(input.value))
    show()
  }
  model.on('change:value change:max change:step change:disabled', show)
  show()
  row.append(label, input, told)
  el.append(row)
}

// All images along their values: dots to click, a line to drag, and the keys of the whole explorer.
function renderStrip({ model, el }) {
  el.style.position = 'relative'
  el.style.width = '100%'
  const bar = document.createElement('div')
  Object.assign(bar.style, { display: 'flex', flexWrap: 'wrap', gap: '4px', alignItems: 'center', fontSize: '12px' })
  const place = document.createElement('span')
  const axis = document.createElement('span')
  Object.assign(axis.style, { marginLeft: 'auto', opacity: 0.75 })
  const svg = node('svg', { role: 'group', height: HEIGHT })
  Object.assign(svg.style, { display: 'block', width: '100%', overflow: 'visible', touchAction: 'pan-y' })
  const scale = node('g', { 'aria-hidden': true, fill: 'currentColor', 'font-size': 11 })
  const colours = node('image', { preserveAspectRatio: 'none', y: BAR, height: 8, 'aria-hidden': true })
  const dots = node('g', { role: 'listbox', tabindex: 0 })
  const ring = node('circle', { r: 9, fill: 'none', stroke: 'currentColor', 'stroke-width': 2, 'aria-hidden': true })
  const line = node('g', { role: 'slider', tabindex: 0, 'aria-label': 'Threshold', 'aria-orientation': 'horizontal' },
    node('path', { d: `M0 6V${BAR + 8}`, stroke: 'currentColor', 'stroke-width': 2, 'stroke-dasharray': '6 3' }),
    node('path', { d: 'M-7 0H7L0 9Z', fill: 'currentColor' }))
  const hint = document.createElement('div')
  Object.assign(hint.style, { position: 'absolute', display: 'none', padding: '1px 6px', fontSize: '12px',
    pointerEvents: 'none', whiteSpace: 'nowrap', background: '#222', color: '#fff', borderRadius: '3px', zIndex: 9 })
  svg.append(scale, colours, dots, ring, line)
  el.append(bar, svg, hint)

  let values, labels, order, names, marks, width = 0
  const right = () => Math.max(LEFT + 1, width - RIGHT)
  const x = value => LEFT + clamp(value / model.get('end'), 0, 1) * (right() - LEFT)
  const y = i => LANES[labels[i]] + SPREAD * ((i * 0.618) % 1 - 0.5) // apart, and always in the same place
  const words = i => {
    const kinds = [['passed', 'missed'], ['over-flagged', 'found']]
    return `${names[i]}: ${short(values[i])}, ${kinds[Number(values[i] >= model.get('threshold'))][labels[i]]}`
  }

  const choose = i => {
    if (i !== undefined && i !== model.get('number')) tell(model, 'number', i)
  }
  const step = (way, defects) => {
    let at = order.indexOf(model.get('number')) + way
    while (defects && order[at] !== undefined && !labels[order[at]]) at += way
    choose(order[at])
  }
  const buttons = [['\u2039 image', -1, false, 'Previous image (arrow left)'], ['image \u203a', 1, false,
    'Next image (arrow right)'], ['\u2039 defect', -1, true, 'Previous defect (p)'], ['defect \u203a', 1, true,
    'Next defect (n)']]
  for (const [text, way, defects, title] of buttons) {
    const button = document.createElement('button')
    Object.assign(button, { textContent: text, title, type: 'button', className: 'jupyter-button' })
    Object.assign(button.style, { height: '22px', lineHeight: '20px', padding: '0 8px', width: 'auto' })
    button.setAttribute('aria-label', title)
    button.onclick = () => step(way, defects)
    bar.append(button)
  }
  bar.append(place, axis)

  function drawScale() {
    svg.setAttribute('viewBox', `0 0 ${Math.max(1, width)} ${HEIGHT}`)
    const end = model.get('end')
    const rough = end / Math.max(2, (right() - LEFT) / 90)
    const power = 10 ** Math.floor(Math.log10(rough))
    const apart = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough)
    const text = (at, height, said, anchor) => node('text', { x: at, y: height, 'text-anchor': anchor }, said)
    const lanes = [['good', 0], ['defect', 1]].map(([said, lane]) => text(LEFT - 8, LANES[lane] + 4, said, 'end'))
    const ticks = []
    for (let n = 0; n * apart <= end; n++) ticks.push(text(x(n * apart), HEIGHT - 6, short(n * apart), 'middle'))
    const between = (LANES[0] + LANES[1]) / 2
    const rule = node('path', { d: `M${LEFT} ${between}H${right()}`, stroke: 'currentColor', 'stroke-opacity': 0.3 })
    scale.replaceChildren(rule, ...lanes, ...ticks)
    colours.setAttribute('x', LEFT)
    colours.setAttribute('width', right() - LEFT)
  }
  function drawColours() {
    const pixels = numbers(model, 'colours', Uint8Array)
    const canvas = document.createElement('canvas')
    canvas.width = pixels.length / 3
    canvas.height = 1
    const picture = new ImageData(canvas.width, 1)
    for (let i = 0; i < canvas.width; i++) picture.data.set([...pixels.subarray(3 * i, 3 * i + 3), 255], 4 * i)
    canvas.getContext('2d').putImageData(picture, 0, 0)
    colours.setAttribute('href', canvas.toDataURL())
  }
  function makeDots() {
    names = model.get('names')
    labels = numbers(model, 'labels', Uint8Array)
    marks = names.map((_, i) => labels[i]
      ? node('path', { d: 'M-5 0L0 -5L5 0L0 5Z', fill: DEFECT, stroke: DEFECT })
      : node('circle', { r: 4, fill: 'none', stroke: GOOD, 'stroke-width': 1.75 }))
    marks.forEach(mark => mark.setAttribute('role', 'option'))
    dots.replaceChildren(...marks)
  }
  function placeDots() {
    values = numbers(model, 'values', Float32Array)
    order = [...numbers(model, 'order', Int32Array)]
    const listed = new Set(order)
    marks.forEach((mark, i) => {
      mark.setAttribute('transform', `translate(${x(values[i])} ${y(i)})`)
      mark.setAttribute('opacity', listed.has(i) ? 1 : 0.25)
    })
  }
  function drawState() {
    const number = model.get('number')
    const threshold = model.get('threshold')
    marks.forEach((mark, i) => {
      mark.setAttribute('aria-label', words(i))
      mark.setAttribute('aria-selected', i === number)
    })
    dots.setAttribute('aria-label', model.get('words'))
    ring.setAttribute('transform', `translate(${x(values[number])} ${y(number)})`)
    line.setAttribute('transform', `translate(${x(threshold)} 0)`)
    const said = { valuemin: 0, valuemax: model.get('end'), valuenow: threshold, valuetext: model.get('counts') }
    for (const [name, value] of Object.entries(said)) line.setAttribute(`aria-${name}`, value)
    place.textContent = ` ${order.indexOf(number) + 1} of ${order.length} `
    place.title = 'place of the image among those that are shown'
    axis.textContent = `value of an image (${model.get('unit')})`
  }
  function draw() {
    if (!model.get('names').length) return
    makeDots()
    placeDots()
    drawScale()
    drawColours()
    drawState()
  }

  const under = e => {
    const box = svg.getBoundingClientRect()
    return [e.clientX - box.left, e.clientY - box.top]
  }
  const nearest = ([left, top]) => {
    let best = NEAR
    let found
    marks.forEach((_, i) => {
      const far = Math.hypot(x(values[i]) - left, y(i) - top)
      if (far < best) [best, found] = [far, i]
    })
    return found
  }
  const onLine = ([left]) => Math.abs(left - x(model.get('threshold'))) < NEAR
  const setThreshold = value => {
    const steps = model.get('step')
    const rounded = Math.round(clamp(value, 0, model.get('end')) / steps) * steps
    if (rounded !== model.get('threshold')) tell(model, 'threshold', rounded)
  }
  let began = null // where the line was taken, and whether it has moved
  svg.onpointerdown = e => {
    if (!onLine(under(e))) return
    svg.setPointerCapture(e.pointerId)
    began = { at: e.clientX, moved: false }
  }
  svg.onpointermove = e => {
    const at = under(e)
    if (began) {
      began.moved ||= Math.abs(e.clientX - began.at) > 2
      if (began.moved) setThreshold((at[0] - LEFT) / (right() - LEFT) * model.get('end'))
    }
    const dot = began ? undefined : nearest(at)
    svg.style.cursor = dot !== undefined ? 'pointer' : onLine(at) ? 'ew-resize' : 'default'
    hint.style.display = dot === undefined ? 'none' : 'block'
    if (dot === undefined) return
    hint.textContent = words(dot)
    hint.style.left = `${clamp(at[0] + 12, 0, Math.max(0, width - hint.offsetWidth))}px`
    hint.style.top = `${svg.offsetTop + at[1] - 26}px`
  }
  svg.onpointerleave = () => { hint.style.display = 'none' }
  svg.onpointerup = e => {
    const dragged = began?.moved
    began = null
    if (!dragged) choose(nearest(under(e)))
  }
  svg.onpointercancel = () => { began = null }
  line.onkeydown = e => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[e.key]
    if (!steps || e.altKey || e.ctrlKey || e.metaKey) return
    e.preventDefault()
    e.stopPropagation()
    setThreshold(model.get('threshold') + steps * model.get('step'))
  }

  // Wherever the focus is in the explorer, except where a key already means something.
  function key(e) {
    const way = { ArrowLeft: -1, ArrowRight: 1, p: -1, n: 1 }[e.key]
    const typed = 'select, input, textarea, [contenteditable=true], .noUi-handle'
    if (!way || e.shiftKey || e.altKey || e.ctrlKey || e.metaKey || e.target.closest(typed)) return
    e.preventDefault()
    e.stopPropagation()
    step(way, e.key.length === 1)
  }
  let root = null
  const sized = new ResizeObserver(() => {
    if (!root && (root = el.closest('.patchcore-explorer'))) root.addEventListener('keydown', key)
    if (el.clientWidth === width || !el.clientWidth) return
    width = el.clientWidth
    draw()
  })
  sized.observe(el)
  const stale = new Set() // what has changed since the last frame: a message changes several things at once
  function refresh() {
    if (stale.has('names') || stale.has('labels') || stale.has('end')) draw()
    if (stale.has('values') || stale.has('order')) placeDots()
    if (stale.has('colours')) drawColours()
    drawState()
    stale.clear()
  }
  const watched = 'names labels end values order colours number threshold words counts unit'.split(' ')
  for (const name of watched) {
    model.on(`change:${name}`, () => {
      if (!stale.size) requestAnimationFrame(refresh)
      stale.add(name)
    })
  }
  return () => {
    sized.disconnect()
    root?.removeEventListener('keydown', key)
  }
}

const parts = { picture: renderPicture, slider: renderSlider, strip: renderStrip }
export default { render: view => parts[view.model.get('part')](view) }
