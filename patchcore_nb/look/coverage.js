// The page side of CoresetExplorer: a plane of dots, curves of the covering radius, a gallery and thumbnails.
// Python sends places, distances and picks as bytes. The page sends back the size and the dots that are selected.

const GALLERY = 48 // patches shown of a selection
const KEPT = [213, 94, 0] // orange of Okabe and Ito, for rings around kept patches
const LINES = {
  'approximate greedy': ['#2E8FCC', ''],
  greedy: ['#009E73', '9 3 2 3'],
  random: ['#CC79A7', '6 4'],
}
const LEGEND_WIDTH = 150

// ---- small tools

function element(name, className, properties = {}) {
  return Object.assign(document.createElement(name), { className, ...properties })
}

function drawing(name, attributes, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  if (text !== undefined) made.textContent = text
  return made
}

function button(text, title, act) {
  return element('button', 'patchcore-tool', { type: 'button', textContent: text, title, ariaLabel: `${text}: ${title}`,
    onclick: act })
}

function sharp(canvas, width, height) { // a context that counts in CSS pixels
  canvas.width = Math.round(width * devicePixelRatio)
  canvas.height = Math.round(height * devicePixelRatio)
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` })
  const context = canvas.getContext('2d')
  context.scale(canvas.width / width, canvas.height / height)
  return context
}

function bytes(model, name, Kind) {
  const { buffer, byteOffset, byteLength } = model.get(name)
  return new Kind(buffer.slice(byteOffset, byteOffset + byteLength))
}

const between = (low, value, high) => Math.max(low, Math.min(high, value))
const short = value => String(Number(value.toPrecision(3)))
const many = value => value.toLocaleString('en')
const adds = event => event.ctrlKey || event.metaKey
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }

function taken(event) { // a key that JupyterLab and the page must not see
  event.preventDefault()
  event.stopPropagation()
}

function oneTabStop(group) { // arrow keys move the focus within a group of buttons
  group.addEventListener('focusin', event => {
    for (const other of group.querySelectorAll('button')) other.tabIndex = other === event.target ? 0 : -1
  })
  group.addEventListener('keydown', event => {
    const way = ARROWS[event.key]
    if (!way) return
    taken(event)
    const all = [...group.querySelectorAll('button')]
    all[between(0, all.indexOf(document.activeElement) + way[0] + way[1], all.length - 1)]?.focus()
  })
}

// ---- what is shown

function order(distances, furthest) { // colour class of each dot, 0 to 255, and all dots from near to far
  const N = distances.length
  const classes = new Uint8Array(N)
  const start = new Uint32Array(257)
  const sorted = new Uint32Array(N)
  for (let i = 0; i < N; i++) {
    classes[i] = Math.min(255, 255 * distances[i] / furthest)
    start[classes[i] + 1]++
  }
  for (let c = 0; c < 256; c++) start[c + 1] += start[c]
  for (let i = 0; i < N; i++) sorted[start[classes[i]]++] = i
  return [classes, sorted]
}

function worst(numbers, distances, most) { // those with the largest distances, the largest first
  const found = []
  for (const i of numbers) {
    if (found.length === most && distances[i] <= distances[found[most - 1]]) continue
    let at = found.length
    while (at > 0 && distances[found[at - 1]] < distances[i]) at--
    found.splice(at, 0, i)
    if (found.length > most) found.pop()
  }
  return found
}

function gridIndex(places) { // dots of a square from -1 to 1 by cell, to find those near the mouse
  const N = places.length / 2
  const side = between(1, Math.round(Math.sqrt(N / 4)), 256)
  const cell = value => between(0, Math.floor((value + 1) / 2 * side), side - 1)
  const start = new Uint32Array(side * side + 1)
  const dots = new Uint32Array(N)
  const home = i => cell(places[2 * i + 1]) * side + cell(places[2 * i])
  for (let i = 0; i < N; i++) start[home(i) + 1]++
  for (let c = 0; c < side * side; c++) start[c + 1] += start[c]
  const next = start.slice()
  for (let i = 0; i < N; i++) dots[next[home(i)]++] = i
  return (x, y, radius, visible) => {
    let nearest = -1
    let least = radius * radius
    for (let row = cell(y - radius); row <= cell(y + radius); row++) {
      for (let column = cell(x - radius); column <= cell(x + radius); column++) {
        for (let k = start[row * side + column]; k < start[row * side + column + 1]; k++) {
          const far = (places[2 * dots[k]] - x) ** 2 + (places[2 * dots[k] + 1] - y) ** 2
          if (far <= least && visible(dots[k])) [nearest, least] = [dots[k], far]
        }
      }
    }
    return nearest
  }
}

class Shown { // what the model says, as arrays
  constructor(model) {
    this.model = model
    this.places = bytes(model, 'places', Float32Array)
    this.N = this.places.length / 2
    this.boxes = bytes(model, 'boxes', Int32Array)
    this.viridis = bytes(model, 'viridis', Uint8Array)
    this.names = model.get('names')
    this.size = model.get('size')
    this.grid = model.get('grid')
    this.cells = this.grid[0] * this.grid[1]
    this.near = gridIndex(this.places)
    this.bitmaps = []
    this.focus = -1 // the dot under mouse or keyboard
    this.read()
  }

  read() {
    this.distances = bytes(this.model, 'distances', Float32Array)
    const kept = bytes(this.model, 'picks', Uint32Array)
    this.pick = new Uint32Array(this.N) // 1 for the first pick, 0 for a patch that is not kept
    kept.forEach((i, k) => { this.pick[i] = k + 1 })
    this.kept = kept
    this.furthest = this.model.get('furthest')
    const sorted = order(this.distances, this.furthest)
    this.classes = sorted[0]
    this.sorted = sorted[1]
    this.selected = bytes(this.model, 'selected', Uint32Array)
    this.lit = new Uint8Array(this.N)
    for (const i of this.selected) this.lit[i] = 1
  }

  visible = i => this.lit[i] || this.model.get('rows') || (this.model.get('rings') && this.pick[i])

  select(numbers, add = false) {
    const chosen = add ? [...new Set([...this.selected, ...numbers])] : numbers
    this.send(Uint32Array.from(chosen).sort())
  }

  toggle(numbers) { // add them, or take them away if all are there
    const all = new Set(numbers)
    if (numbers.every(i => this.lit[i])) this.send(this.selected.filter(i => !all.has(i)))
    else this.select(numbers, true)
  }

  send(numbers) {
    this.model.set('selected', new DataView(numbers.buffer))
    this.model.save_changes()
  }

  image = i => Math.floor(i / this.cells)

  words(i) { // a patch: where it is, and how well it is covered
    const cell = i % this.cells
    const [row, column] = [Math.floor(cell / this.grid[1]), cell % this.grid[1]]
    const covered = this.pick[i]
      ? `kept: pick ${many(this.pick[i])} of ${many(this.kept.length)}`
      : `distance ${short(this.distances[i])} to the nearest kept patch`
    return [this.names[this.image(i)], `row ${row}, column ${column}`, covered]
  }

  cutOut(canvas, i, side) { // a patch in its frame, with what surrounds it
    const context = sharp(canvas, side, side)
    const bitmap = this.bitmaps[this.image(i)]
    if (!bitmap) return
    const [top, left, bottom, right] = this.boxes.subarray(4 * (i % this.cells), 4 * (i % this.cells) + 4)
    const [H, W] = this.size
    const reach = Math.min(3 * Math.max(bottom - top, right - left), H, W)
    const y = between(0, (top + bottom - reach) / 2, H - reach)
    const x = between(0, (left + right - reach) / 2, W - reach)
    const scale = side / reach
    context.drawImage(bitmap, x, y, reach, reach, 0, 0, side, side)
    for (const [colour, width] of [['#000', 4], ['#FF963C', 2]]) {
      context.strokeStyle = colour
      context.lineWidth = width
      context.strokeRect((left - x) * scale, (top - y) * scale, (right - left) * scale, (bottom - top) * scale)
    }
  }
}

// ---- colours of the page

const mix = (a, b, share) => a.map((value, k) => Math.round(value + share * (b[k] - value)))
const packed = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0 // as ImageData holds them

function theme(box, viridis) { // both ends of viridis fade into one kind of page: the nearer end is left out
  const rgb = text => text.match(/[\d.]+/g).slice(0, 3).map(Number)
  const style = getComputedStyle(box)
  const [back, fore] = [rgb(style.backgroundColor), rgb(style.color)]
  const [first, last] = back[0] + back[1] + back[2] < 384 ? [60, 255] : [0, 225]
  const ramp = Array.from({ length: 256 }, (_, c) => {
    const k = 3 * Math.round(first + c * (last - first) / 255)
    return [...viridis.subarray(k, k + 3)]
  })
  return { back, fore, ramp, plain: mix(back, fore, 0.5) }
}

// ---- plane

function shape(radius, inner, width) { // pixels of a disc or ring, as offsets in an image of that width
  const reach = Math.ceil(radius)
  const offsets = []
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const far = Math.hypot(x, y)
      if (far <= radius + 0.25 && far > inner) offsets.push(y * width + x)
    }
  }
  return { reach, offsets: Int32Array.from(offsets) }
}

class Plane {
  constructor(shown) {
    this.shown = shown
    this.zoom = 1
    this.middle = [0, 0] // of the view, in the square from -1 to 1
    this.box = element('div', 'patchcore-plane')
    this.canvas = element('canvas', 'patchcore-dots', { tabIndex: 0 })
    this.canvas.setAttribute('role', 'application')
    this.canvas.setAttribute('aria-roledescription', 'scatter plot')
    this.tip = element('div', 'patchcore-tip', { hidden: true })
    this.said = element('div', 'patchcore-unseen') // for screen readers, when the keyboard moved
    this.said.setAttribute('role', 'status')
    this.lassoing = button('Lasso (L)', 'Draw around dots to select them; Ctrl adds. Without this: Shift and drag.',
      () => this.switchLasso())
    this.lassoing.setAttribute('aria-pressed', 'false')
    this.tools = element('div', 'patchcore-tools')
    this.tools.append(
      this.lassoing,
      button('+', 'Zoom in', () => this.zoomBy(1.5)),
      button('−', 'Zoom out', () => this.zoomBy(1 / 1.5)),
      button('Fit (0)', 'Show all dots', () => this.fit()),
      button('Clear (Esc)', 'Select nothing', () => shown.select([])),
    )
    this.box.append(this.canvas, this.tip, this.said)
    this.extent = [0.01, 0.01]
    shown.places.forEach((value, k) => { this.extent[k % 2] = Math.max(this.extent[k % 2], Math.abs(value)) })
    this.listen()
  }

  // CSS pixels of the canvas from places, and back
  scale() {
    return 0.95 * this.zoom * Math.min(this.width / this.extent[0], this.height / this.extent[1]) / 2
  }

  pixel(i) {
    const [x, y] = [this.shown.places[2 * i], this.shown.places[2 * i + 1]]
    return [this.width / 2 + (x - this.middle[0]) * this.scale(), this.height / 2 - (y - this.middle[1]) * this.scale()]
  }

  place([x, y]) {
    return [this.middle[0] + (x - this.width / 2) / this.scale(), this.middle[1] - (y - this.height / 2) / this.scale()]
  }

  zoomBy(factor, at = [this.width / 2, this.height / 2]) { // what lies at a pixel stays there
    const before = this.place(at)
    this.zoom = between(1, this.zoom * factor, 200)
    const after = this.place(at)
    this.move(before[0] - after[0], before[1] - after[1])
  }

  move(x, y) {
    this.middle = this.middle.map((m, k) => between(-this.extent[k], m + [x, y][k], this.extent[k]))
    this.changed('dots')
  }

  fit() {
    this.zoom = 1
    this.middle = [0, 0]
    this.changed('dots')
  }

  switchLasso() {
    const on = this.lassoing.getAttribute('aria-pressed') !== 'true'
    this.lassoing.setAttribute('aria-pressed', String(on))
    this.canvas.style.touchAction = on ? 'none' : 'pan-y'
  }

  paint() { // all dots into a picture of the canvas's own pixels
    const { shown, canvas, box } = this
    this.width = box.clientWidth
    this.height = box.clientHeight
    const ratio = devicePixelRatio
    const [W, H] = [Math.round(this.width * ratio), Math.round(this.height * ratio)]
    if (!this.image || canvas.width !== W || canvas.height !== H) {
      this.context = sharp(canvas, this.width, this.height)
      this.image = this.context.createImageData(W, H)
    }
    const pixels = new Uint32Array(this.image.data.buffer)
    this.theme = theme(box, shown.viridis)
    const { back, fore, ramp, plain } = this.theme
    const dimmed = shown.selected.length > 0
    const colours = shown.model.get('colours') ? ramp : ramp.map(() => plain)
    const bright = Uint32Array.from(colours, packed)
    const other = dimmed ? Uint32Array.from(colours, colour => packed(mix(back, colour, 0.3))) : bright
    const grown = Math.min(4, Math.sqrt(this.zoom)) * ratio
    const radius = between(1, Math.sqrt(this.width * this.height / shown.N) / 4, 2) * grown
    const scale = this.scale() * ratio
    const [left, top] = [W / 2 - this.middle[0] * scale, H / 2 + this.middle[1] * scale]
    const put = (i, { reach, offsets }, colour) => {
      const x = Math.round(left + shown.places[2 * i] * scale)
      const y = Math.round(top - shown.places[2 * i + 1] * scale)
      if (x < reach || y < reach || x >= W - reach || y >= H - reach) return
      for (let k = 0; k < offsets.length; k++) pixels[y * W + x + offsets[k]] = colour
    }
    pixels.fill(packed(back))
    const dot = shape(radius, -1, W)
    if (shown.model.get('rows')) for (const i of shown.sorted) put(i, dot, other[shown.classes[i]])
    if (shown.model.get('rings')) {
      const reach = (shown.kept.length < 400 ? 4.5 : shown.kept.length < 2500 ? 3 : 2) * grown
      const ring = shape(reach, reach - 1.5 * ratio, W)
      const [strong, faint] = [packed(KEPT), packed(mix(back, KEPT, dimmed ? 0.35 : 1))]
      for (const i of shown.kept) put(i, ring, shown.lit[i] ? strong : faint)
    }
    const [rim, large] = [shape(radius + 2 * ratio, -1, W), shape(radius + 0.75 * ratio, -1, W)]
    for (const i of shown.selected) put(i, rim, packed(fore))
    for (const i of shown.selected) put(i, large, bright[shown.classes[i]])
  }

  mark() { // the picture, the dot in question, the lasso
    const { context, shown } = this
    context.putImageData(this.image, 0, 0)
    const lines = [[this.theme.back, 5], [this.theme.fore, 2]]
    for (const [colour, width] of lines) {
      context.strokeStyle = `rgb(${colour})`
      context.lineWidth = width
      if (shown.focus >= 0) {
        context.beginPath()
        context.arc(...this.pixel(shown.focus), 8, 0, 7)
        context.stroke()
      }
      if (this.lasso) this.trace(context, 'stroke')
    }
    this.tell()
  }

  trace(context, act) {
    context.beginPath()
    for (const point of this.lasso) context.lineTo(...point)
    context.closePath()
    context[act]()
  }

  tell() { // the patch in question, beside its dot
    const { shown, tip } = this
    const [x, y] = shown.focus < 0 ? [-1, -1] : this.pixel(shown.focus)
    tip.hidden = this.start || shown.focus < 0 || x < 0 || y < 0 || x > this.width || y > this.height
    if (tip.hidden) {
      this.told = -1
      return
    }
    if (this.told !== shown.focus) {
      const [name, ...rest] = shown.words(shown.focus)
      const canvas = element('canvas', '')
      shown.cutOut(canvas, shown.focus, 84)
      const words = element('div', '')
      words.append(element('b', '', { textContent: name }))
      words.append(...rest.map(textContent => element('div', '', { textContent })))
      tip.replaceChildren(canvas, words)
      this.told = shown.focus
    }
    const beside = x > this.width / 2 ? x - tip.offsetWidth - 14 : x + 14
    tip.style.left = `${between(0, beside, Math.max(0, this.width - tip.offsetWidth))}px`
    tip.style.top = `${between(0, y - tip.offsetHeight / 2, Math.max(0, this.height - tip.offsetHeight))}px`
  }

  inside() { // dots that are seen within the lasso: a polygon painted once answers for all of them
    const mask = element('canvas', '', { width: Math.ceil(this.width), height: Math.ceil(this.height) })
    const context = mask.getContext('2d', { willReadFrequently: true })
    this.trace(context, 'fill')
    const { data } = context.getImageData(0, 0, mask.width, mask.height)
    return this.seen().filter(i => {
      const [x, y] = this.pixel(i).map(Math.floor)
      return data[4 * (y * mask.width + x) + 3] > 127
    })
  }

  seen() { // dots of this view
    const found = []
    for (let i = 0; i < this.shown.N; i++) {
      if (!this.shown.visible(i)) continue
      const [x, y] = this.pixel(i)
      if (x >= 0 && y >= 0 && x < this.width && y < this.height) found.push(i)
    }
    return found
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }

  under(point) {
    return this.shown.near(...this.place(point), 10 / this.scale(), this.shown.visible)
  }

  look(i) { // at a dot; -1: at none
    if (this.shown.focus === i) return
    this.shown.focus = i
    this.changed('mark')
  }

  listen() {
    const { canvas } = this
    canvas.style.touchAction = 'pan-y'
    canvas.addEventListener('pointerdown', event => this.press(event))
    canvas.addEventListener('pointermove', event => this.drag(event))
    canvas.addEventListener('pointerup', event => this.release(event))
    canvas.addEventListener('pointercancel', () => this.release(null))
    canvas.addEventListener('pointerleave', () => this.start || this.look(-1))
    canvas.addEventListener('blur', () => this.look(-1))
    canvas.addEventListener('keydown', event => this.key(event))
    canvas.addEventListener('wheel', event => {
      if (!canvas.matches(':focus') && !adds(event)) return // the page scrolls until the plane was clicked
      event.preventDefault()
      this.zoomBy(Math.exp(-between(-200, event.deltaY, 200) / 400), this.point(event))
    }, { passive: false })
  }

  press(event) {
    if (event.button !== 0) return
    this.canvas.focus({ preventScroll: true })
    this.canvas.setPointerCapture(event.pointerId)
    this.start = this.last = this.point(event)
    this.moved = false
    const free = event.shiftKey || this.lassoing.getAttribute('aria-pressed') === 'true'
    this.lasso = free ? [this.start] : null
  }

  drag(event) {
    const now = this.point(event)
    if (!this.start) {
      this.look(this.under(now))
      return
    }
    this.moved ||= Math.hypot(now[0] - this.start[0], now[1] - this.start[1]) > 3
    if (!this.moved) return
    if (this.lasso) {
      this.lasso.push(now)
      this.changed('mark')
    } else {
      this.move((this.last[0] - now[0]) / this.scale(), (now[1] - this.last[1]) / this.scale())
    }
    this.last = now
  }

  release(event) {
    const { start, lasso, moved } = this
    if (event && start && moved && lasso) this.shown.select(this.inside(), adds(event))
    if (event && start && !moved) this.click(this.under(start), adds(event) || event.shiftKey)
    this.start = this.lasso = null
    this.changed('mark')
  }

  click(i, add) {
    if (i >= 0 && add) this.shown.toggle([i])
    else if (i >= 0) this.shown.select([i])
    else if (!add) this.shown.select([])
  }

  key(event) {
    const way = ARROWS[event.key]
    const acts = {
      '+': () => this.zoomBy(1.5),
      '=': () => this.zoomBy(1.5),
      '-': () => this.zoomBy(1 / 1.5),
      0: () => this.fit(),
      l: () => this.switchLasso(),
      a: () => this.shown.select(this.seen()),
      Escape: () => this.shown.select([]),
      Enter: () => this.shown.focus >= 0 && this.click(this.shown.focus, event.shiftKey || adds(event)),
    }
    acts[' '] = acts.Enter
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    const act = way ? () => (event.shiftKey ? this.pan(way) : this.step(way)) : acts[key]
    if (!act || (adds(event) && !way && event.key !== 'Enter')) return
    taken(event)
    act()
  }

  pan([x, y]) {
    this.move(x * this.width / 8 / this.scale(), -y * this.height / 8 / this.scale())
  }

  step([right, down]) { // to the next dot that way; from nowhere to the patch that is covered worst
    const { shown } = this
    const seen = this.seen()
    let next = shown.focus
    if (next < 0 || !seen.includes(next)) {
      next = worst(seen, shown.distances, 1)[0] ?? -1
    } else {
      const from = this.pixel(next)
      let least = Infinity
      for (const i of seen) {
        const to = this.pixel(i)
        const [x, y] = [to[0] - from[0], to[1] - from[1]]
        const ahead = x * right + y * down
        const cost = ahead + 2 * Math.abs(x * down + y * right)
        if (ahead > 1 && cost < least) [next, least] = [i, cost]
      }
    }
    this.look(next)
    if (next >= 0) this.said.textContent = shown.words(next).join(', ')
  }

  describe() {
    const selected = `${many(this.shown.selected.length)} selected.`
    const keys = 'Arrow keys go from patch to patch, Enter selects, A selects all in view, plus and minus zoom.'
    this.canvas.setAttribute('aria-label', `${this.shown.model.get('words')}. ${selected} ${keys}`)
  }
}

// ---- curves

class Curve {
  constructor(shown) {
    this.model = shown.model
    this.box = element('div', 'patchcore-curve')
    this.svg = drawing('svg', { tabindex: 0, role: 'slider', 'aria-label': 'Patches kept, per cent' })
    this.box.append(this.svg)
    this.svg.addEventListener('pointerdown', event => {
      if (event.button !== 0) return
      this.svg.setPointerCapture(event.pointerId)
      this.svg.focus({ preventScroll: true })
      this.go(this.nearest(event))
    })
    this.svg.addEventListener('pointermove', event => event.buttons & 1 && this.go(this.nearest(event)))
    this.svg.addEventListener('keydown', event => {
      const way = ARROWS[event.key]
      const ends = { Home: 0, End: Infinity }
      if (!way && !(event.key in ends)) return
      taken(event)
      this.go(way ? this.model.get('at') + way[0] - way[1] : ends[event.key])
    })
  }

  go(at) {
    this.model.set('at', between(0, at, this.model.get('percents').length - 1))
    this.model.save_changes()
  }

  nearest(event) {
    const x = event.clientX - this.svg.getBoundingClientRect().left
    const far = this.model.get('percents').map(percent => Math.abs(this.x(percent) - x))
    return far.indexOf(Math.min(...far))
  }

  paint() {
    const { model, svg } = this
    const [percents, radii, at] = [model.get('percents'), model.get('radii'), model.get('at')]
    const [width, height] = [this.box.clientWidth, this.box.clientHeight]
    const [left, right, top, bottom] = [46, width - 14, 22, height - 34]
    const log = percents.map(Math.log)
    const span = Math.max(log[log.length - 1] - log[0], 1e-9)
    const most = Math.max(...Object.values(radii).flat(), 1e-9)
    this.x = percent => left + (Math.log(percent) - log[0]) / span * (right - left)
    const y = radius => bottom - radius / most * (bottom - top) / 1.25 // with room for the names above
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
    const parts = [...this.axes(most, y, left, right, bottom)]
    const here = radii[model.get('sampler')][at]
    Object.entries(radii).forEach(([name, values], k) => {
      const [stroke, dashes] = LINES[name]
      const style = { fill: 'none', stroke, 'stroke-dasharray': dashes,
        'stroke-width': name === model.get('sampler') ? 3 : 1.5 }
      parts.push(drawing('polyline', { ...style, points: values.map((r, i) => `${this.x(percents[i])},${y(r)}`) }))
      const [from, level] = [right - LEGEND_WIDTH, top + 8 + 16 * k]
      parts.push(drawing('path', { ...style, d: `M${from} ${level}h30` }))
      const weight = name === model.get('sampler') ? 'bold' : 'normal'
      parts.push(drawing('text', { x: from + 36, y: level + 4, 'font-weight': weight }, name))
    })
    parts.push(drawing('circle', { cx: this.x(percents[at]), cy: y(here), r: 7, class: 'patchcore-here' }))
    svg.replaceChildren(...parts)
    const words = `${percents[at]} %, ${many(model.get('sizes')[at])} patches, covering radius ${short(here)}`
    const values = { valuemin: percents[0], valuemax: percents[percents.length - 1], valuenow: percents[at] }
    for (const [key, value] of Object.entries({ ...values, valuetext: words })) svg.setAttribute(`aria-${key}`, value)
  }

  * axes(most, y, left, right, bottom) {
    yield drawing('text', { x: 2, y: 12 }, 'covering radius (feature distance)')
    const centred = { x: (left + right) / 2, y: bottom + 31, 'text-anchor': 'middle' }
    yield drawing('text', centred, 'patches kept (%): click or drag')
    yield drawing('path', { class: 'patchcore-axis', d: `M${left} ${y(most)}V${bottom}H${right}` })
    const ten = 10 ** Math.floor(Math.log10(most))
    const step = [0.2, 0.5, 1, 2].map(part => part * ten).find(part => most / part <= 6)
    for (let r = 0; r <= most; r += step) {
      yield drawing('path', { class: 'patchcore-axis', d: `M${left - 4} ${y(r)}h4` })
      yield drawing('text', { x: left - 7, y: y(r) + 4, 'text-anchor': 'end' }, short(r))
    }
    let free = -Infinity // labels must not touch
    for (const percent of this.model.get('percents')) {
      const x = this.x(percent)
      yield drawing('path', { class: 'patchcore-axis', d: `M${x} ${bottom}v4` })
      if (x - free < 30) continue
      yield drawing('text', { x, y: bottom + 16, 'text-anchor': 'middle' }, String(percent))
      free = x
    }
  }
}

// ---- gallery and thumbnails

class Gallery {
  constructor(shown, look) {
    this.shown = shown
    this.look = look
    this.box = element('div', 'patchcore-selected')
    this.title = element('div', 'patchcore-title')
    this.patches = element('div', 'patchcore-gallery')
    this.patches.setAttribute('role', 'group')
    this.patches.setAttribute('aria-label', 'selected patches')
    this.help = element('div', 'patchcore-help')
    this.help.textContent = 'Click a dot or a thumbnail, or draw around dots (Lasso, or Shift and drag); Ctrl adds. ' +
      'Drag to move; zoom with + and −, or with the wheel once the dots were clicked. With the keyboard, arrows go ' +
      'from dot to dot, Enter selects, A selects all in view, Shift and arrows move, 0 fits.'
    this.box.append(this.title, this.help, this.patches)
    oneTabStop(this.patches)
  }

  paint() {
    const { shown } = this
    const total = shown.selected.length
    const first = worst(shown.selected, shown.distances, GALLERY)
    const part = total > GALLERY ? `first ${GALLERY} of ${many(total)}` : many(total)
    this.title.textContent = total ? `Selected: ${part}, the worst covered first` : 'Nothing is selected'
    this.help.hidden = total > 0
    this.patches.hidden = total === 0
    const held = this.patches.contains(document.activeElement)
    this.patches.replaceChildren(...first.map((i, k) => {
      const words = shown.words(i).join(', ')
      const made = element('button', 'patchcore-patch', { type: 'button', title: words, tabIndex: k ? -1 : 0 })
      made.setAttribute('aria-label', words)
      const canvas = element('canvas', '')
      shown.cutOut(canvas, i, 56)
      made.append(canvas)
      made.onmouseenter = made.onfocus = () => this.look(i)
      made.onmouseleave = made.onblur = () => this.look(-1)
      made.onclick = () => shown.select([i])
      return made
    }))
    if (held) this.patches.firstChild?.focus({ preventScroll: true }) // else whoever chose with a key is nowhere
  }
}

class Thumbnails {
  constructor(shown) {
    this.shown = shown
    this.box = element('div', 'patchcore-thumbnails')
    this.box.setAttribute('role', 'group')
    this.box.setAttribute('aria-label', 'training images')
    const [H, W] = shown.size
    this.side = [Math.round(84 * W / Math.max(H, W)), Math.round(84 * H / Math.max(H, W))]
    this.mask = element('canvas', '', { width: shown.grid[1], height: shown.grid[0] })
    this.parts = shown.names.map((name, number) => {
      const made = element('button', 'patchcore-thumbnail', { type: 'button', tabIndex: number ? -1 : 0 })
      const [canvas, words] = [element('canvas', ''), element('span', '')]
      made.append(canvas, words)
      made.onclick = event => {
        const dots = Array.from({ length: shown.cells }, (_, k) => number * shown.cells + k)
        if (adds(event) || event.shiftKey) shown.toggle(dots)
        else shown.select(made.getAttribute('aria-pressed') === 'true' ? [] : dots)
      }
      this.box.append(made)
      return { made, canvas, words }
    })
    oneTabStop(this.box)
  }

  paint() { // kept patches are bright, selected ones blue
    const { shown, mask } = this
    const context = mask.getContext('2d', { willReadFrequently: true })
    const cells = context.createImageData(mask.width, mask.height)
    const pixels = new Uint32Array(cells.data.buffer)
    this.parts.forEach(({ made, canvas, words }, number) => {
      let [kept, selected] = [0, 0]
      for (let k = 0; k < shown.cells; k++) {
        const i = number * shown.cells + k
        kept += shown.pick[i] > 0
        selected += shown.lit[i]
        pixels[k] = shown.lit[i] ? 0x90E9B456 : shown.pick[i] ? 0 : 0x99000000
      }
      context.putImageData(cells, 0, 0)
      const drawn = sharp(canvas, ...this.side)
      if (shown.bitmaps[number]) drawn.drawImage(shown.bitmaps[number], 0, 0, ...this.side)
      drawn.imageSmoothingEnabled = false
      drawn.drawImage(mask, 0, 0, ...this.side)
      words.textContent = selected ? `${selected} selected` : `${kept} kept`
      made.title = `${shown.names[number]}: ${kept} of ${shown.cells} patches kept, ${selected || 'none'} selected`
      made.setAttribute('aria-label', made.title)
      made.setAttribute('aria-pressed', String(selected === shown.cells))
      made.classList.toggle('patchcore-lit', selected > 0)
    })
  }
}

// ---- all of it

function colourScale(shown, plane) { // what the colours mean
  const box = element('div', 'patchcore-scale')
  const [colours, bar, said] = ['patchcore-scale', 'patchcore-bar', ''].map(name => element('div', name))
  colours.append('distance to the nearest kept patch: 0', bar, said)
  const share = `first two components: ${Math.round(100 * shown.model.get('explained'))} % of the variance`
  box.append(colours, element('div', '', { textContent: share }))
  return { box, paint() {
    bar.style.background = `linear-gradient(to right, ${plane.theme.ramp.map(colour => `rgb(${colour})`)})`
    said.textContent = `${short(shown.furthest)} and more`
    colours.style.visibility = shown.model.get('colours') ? 'visible' : 'hidden'
  } }
}

function render({ model, el }) {
  const shown = new Shown(model)
  const plane = new Plane(shown)
  const curve = new Curve(shown)
  const gallery = new Gallery(shown, i => plane.look(i))
  const thumbnails = new Thumbnails(shown)
  const scale = colourScale(shown, plane)
  const wanted = new Set()
  let asked = 0

  function draw() { // at most once a frame, and only what has changed
    asked = 0
    if (!el.isConnected || !plane.box.clientWidth) return // drawn when it has a size
    if (wanted.has('data')) shown.read()
    const data = wanted.has('data')
    if (data || wanted.has('dots')) {
      plane.told = -1
      plane.paint()
      scale.paint()
    }
    plane.mark()
    if (data) plane.describe()
    if (data || wanted.has('curve')) curve.paint()
    if (data) gallery.paint()
    if (data) thumbnails.paint()
    wanted.clear()
  }
  function changed(what) {
    wanted.add(what)
    asked ||= requestAnimationFrame(draw)
  }
  plane.changed = changed

  const [left, side, all] = [element('div', 'patchcore-left'), element('div', 'patchcore-side'),
    element('div', 'patchcore-coverage')]
  left.append(plane.tools, plane.box, scale.box)
  side.append(curve.box, gallery.box)
  all.append(left, side, thumbnails.box)
  el.append(all)

  const kinds = { dots: ['rows', 'rings', 'colours'], curve: ['radii', 'sampler', 'at'],
    data: ['distances', 'picks', 'selected', 'words'] }
  const listeners = Object.entries(kinds).flatMap(([what, names]) =>
    names.map(name => [`change:${name}`, () => changed(what)]))
  for (const listener of listeners) model.on(...listener)
  const observer = new ResizeObserver(() => {
    changed('dots')
    changed('curve')
  })
  observer.observe(plane.box)
  observer.observe(curve.box)
  // The style sheet gives the background a short transition, which ends whenever another theme has arrived.
  plane.box.addEventListener('transitionend', () => changed('dots'))
  model.get('jpegs').forEach(async (jpeg, number) => {
    shown.bitmaps[number] = await createImageBitmap(new Blob([jpeg], { type: 'image/jpeg' }))
    changed('data')
  })
  changed('data')
  return () => {
    cancelAnimationFrame(asked)
    observer.disconnect()
    for (const listener of listeners) model.off(...listener)
  }
}

export default { render }
