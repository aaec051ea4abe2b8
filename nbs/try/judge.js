// The worker of the page "Try it in your browser": everything that is computed, and nothing that is shown.
// A photograph goes the same way as in Python: resize, patch embedding, nearest rows of the memory bank, map.
import * as ort from './made/ort/ort.wasm.bundle.min.mjs'

ort.env.wasm.numThreads = 1  // several threads would need headers that not every host sends
const made = name => new URL(`made/${name}`, import.meta.url)
const load = async (name, as) => {
  const reply = await fetch(made(name))
  if (!reply.ok) throw new Error(`${name} could not be loaded (${reply.status})`)
  return reply[as]()
}
const sessions = {}
const session = name => sessions[name] ??= load(name, 'arrayBuffer').then(file => ort.InferenceSession.create(file))
  .catch(error => { delete sessions[name]; throw error })  // the next photograph tries again
const facts = load('facts.json', 'json')  // side of the network input, thresholds, order of the two resizes
let own = null  // the model that was taught here: memory bank and limits

// ---- Photograph to network input ----------------------------------------------------------------------------------

// Pixels as they are stored, upright, without colour management, transparency over ImageNet's mean colour; `(h, w, 3)`.
async function decoded(file) {
  const options = { colorSpaceConversion: 'none', premultiplyAlpha: 'none', imageOrientation: 'from-image' }
  const bitmap = await createImageBitmap(file, options).catch(() => null)
  if (!bitmap) throw new Error('this browser cannot read it as a photograph; JPEG, PNG and WebP work everywhere')
  const { width, height } = bitmap, pen = new OffscreenCanvas(width, height).getContext('2d')
  pen.fillStyle = 'rgb(124, 116, 104)'
  pen.fillRect(0, 0, width, height)
  pen.drawImage(bitmap, 0, 0)
  bitmap.close()
  const rgba = pen.getImageData(0, 0, width, height).data, pixels = new Uint8Array(3 * width * height)
  for (let i = 0, j = 0; i < rgba.length; i += 4) for (let c = 0; c < 3; c++) pixels[j++] = rgba[i + c]
  return { pixels, width, height }
}

// Resize the middle axis of `(outer, before, inner)` like Pillow's bilinear filter with antialiasing, to the last bit.
function resampled(pixels, outer, before, inner, after) {
  const out = new Uint8Array(outer * after * inner), scale = before / after, reach = Math.max(1, scale)
  for (let i = 0; i < after; i++) {
    const centre = (i + .5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + .5)), end = Math.min(before, Math.trunc(centre + reach + .5))
    let weights = []
    for (let x = first; x < end; x++) weights.push(Math.max(0, 1 - Math.abs((x - centre + .5) * (1 / reach))))
    const total = weights.reduce((a, b) => a + b)
    weights = weights.map(weight => Math.floor(weight / total * 2 ** 22 + .5))  // whole numbers, as in Pillow
    for (let o = 0; o < outer; o++)
      for (let k = 0; k < inner; k++) {
        let sum = 2 ** 21, at = (o * before + first) * inner + k
        for (let x = 0; x < weights.length; x++, at += inner) sum += pixels[at] * weights[x]
        out[(o * after + i) * inner + k] = sum >> 22
      }
  }
  return out
}

// Network input `(1, side, side, 3)`. Pillow from version 13 begins with the height where it loses much more.
async function prepared(file) {
  const { side, down_first } = await facts, { pixels, width, height } = await decoded(file)
  const across = (x, rows) => resampled(x, rows, width, 3, side)
  const down = (x, columns) => resampled(x, 1, height, 3 * columns, side)
  const begin = down_first && height - side > Math.max(0, 2 * (width - side))
  const input = begin ? across(down(pixels, width), side) : down(across(pixels, height), side)
  return new ort.Tensor('uint8', input, [1, side, side, 3])
}

// ---- A model taught here -------------------------------------------------------------------------------------------

// Squared distance of two rows, or some number above `most` as soon as it is certain to be larger.
function distance(a, i, b, j, width, most) {
  let sum = 0
  for (let d = 0, p = i * width, q = j * width; d < width; ) {
    for (const end = Math.min(width, d + 32); d < end; d++) sum += (a[p++] - b[q++]) ** 2
    if (sum > most) break
  }
  return sum
}

// Greedy k-center selection, as `Coreset(sampler="greedy")` without its projection: the numbers of the chosen rows.
function kCenterGreedy(rows, width, count) {
  const N = rows.length / width, total = new Float64Array(width), far = new Float64Array(N)
  let squares = 0
  for (let i = 0; i < rows.length; i++) {
    total[i % width] += rows[i]
    far[Math.floor(i / width)] += rows[i] ** 2
    squares += rows[i] ** 2
  }
  for (let i = 0; i < N; i++) {  // the start: the sum of the squared distances to all rows
    let product = 0
    for (let d = 0; d < width; d++) product += rows[i * width + d] * total[d]
    far[i] = N * far[i] - 2 * product + squares
  }
  const picks = []
  while (picks.length < count) {
    let pick = 0
    for (let i = 1; i < N; i++) if (far[i] > far[pick]) pick = i
    picks.push(pick)
    for (let i = 0; i < N; i++) far[i] = Math.min(far[i], distance(rows, i, rows, pick, width, far[i]))
    far[pick] = -1
  }
  return picks
}

// The memory bank of some photographs: 5 % of their patch embeddings.
function bankOf(parts, width) {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  parts.forEach((part, i) => all.set(part, i * part.length))
  const picks = kCenterGreedy(all, width, Math.floor(.05 * all.length / width))
  const rows = new Float32Array(picks.length * width)
  picks.forEach((pick, i) => rows.set(all.subarray(pick * width, (pick + 1) * width), i * width))
  return { picks, rows, width }
}

// Squared distance of each query to the nearest row of a bank.
function nearest(queries, { rows, width }) {
  const scores = new Float32Array(queries.length / width)
  for (let i = 0; i < scores.length; i++) {
    let least = Infinity
    for (let j = 0; j < rows.length / width; j++) least = Math.min(least, distance(queries, i, rows, j, width, least))
    scores[i] = least
  }
  return scores
}

// Anomaly map of patch scores: linear interpolation and a Gaussian, as one matrix `(side, n)` on either side.
function mapped(scores, up, side) {
  const n = up.length / side, half = new Float64Array(side * n), map = new Float32Array(side * side)
  for (let y = 0; y < side; y++)
    for (let r = 0; r < n; r++)
      for (let c = 0; c < n; c++) half[y * n + c] += up[y * n + r] * scores[r * n + c]
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      let sum = 0
      for (let c = 0; c < n; c++) sum += half[y * n + c] * up[x * n + c]
      map[y * side + x] = sum
    }
  return map
}

const highest = values => values.reduce((a, b) => Math.max(a, b), -Infinity)
let smoothing = null
const up = async () => smoothing ??= new Float32Array(await load('up.bin', 'arrayBuffer'))
const embedded = async file => (await (await session('embed.onnx')).run({ images: await prepared(file) })).rows

// Learn a part from good photographs. Each is scored by a bank of the others; the limit lies just above the highest.
async function learn(files, progress) {
  const { side } = await facts, parts = [], scores = [], peaks = []
  let width = 0
  for (const [i, file] of files.entries()) {
    progress(`embedding photograph ${i + 1} of ${files.length}`)
    const rows = await embedded(file).catch(error => { throw new Error(`${file.name}: ${error.message}`) })
    const twin = parts.findIndex(part => part.every((value, k) => value === rows.data[k]))
    if (twin >= 0) throw new Error(`${file.name} and ${files[twin].name} are the same photograph: take each once`)
    parts.push(rows.data)
    width = rows.dims[1]
  }
  progress('choosing patches')
  const bank = bankOf(parts, width)
  for (const [i, part] of parts.entries()) {
    progress(`calibrating: photograph ${i + 1} of ${files.length} against the others`)
    const patches = nearest(part, bankOf(parts.filter(other => other !== part), width))
    scores.push(highest(patches))
    peaks.push(highest(mapped(patches, await up(), side)))
  }
  own = { bank, threshold: 1.001 * highest(scores), pixelThreshold: 1.001 * highest(peaks) }
  return { picks: bank.picks, scores, threshold: own.threshold, pixelThreshold: own.pixelThreshold }
}

// ---- Judging, and the messages of the page -------------------------------------------------------------------------

async function judge(file, taught) {
  const known = await facts, start = performance.now()
  if (!taught) {
    const found = await (await session('model.onnx')).run({ images: await prepared(file) })
    const limits = { threshold: known.threshold, pixelThreshold: known.pixel_threshold }
    return { score: found.score.data[0], map: found.map.data, side: known.side, ms: performance.now() - start, ...limits }
  }
  const scores = nearest((await embedded(file)).data, own.bank)
  const { threshold, pixelThreshold } = own, map = mapped(scores, await up(), known.side)
  return { score: highest(scores), map, side: known.side, ms: performance.now() - start, threshold, pixelThreshold }
}

// One request after the other; each is answered under its number, by `done`, `error` or, before, by `progress`.
let line = Promise.resolve()
onmessage = ({ data: { number, files, file, taught } }) => {
  const tell = answer => postMessage({ number, ...answer })
  const work = () => files ? learn(files, progress => tell({ progress })) : judge(file, taught)
  line = line.then(work).then(done => tell({ done }), error => tell({ error: error.message }))
}
