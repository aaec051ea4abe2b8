// The page "Try it in your browser": what is clicked, dropped and shown. judge.js computes, in a worker of its own.
const $ = id => document.getElementById(id)
const made = name => new URL(`made/${name}`, import.meta.url).href
const worker = new Worker(new URL('judge.js', import.meta.url), { type: 'module' })
const answers = new Map()  // number of a request -> what to do with its answers
let shown = null  // the photograph on the page: name, bitmap, and what the worker found

worker.onmessage = ({ data }) => answers.get(data.number)?.(data)
worker.onerror = () => say('error', 'The files of this page are missing or were not built: make try builds them.')

// Ask the worker; resolves with what it found, tells progress meanwhile. Exported for the test.
export function ask(request, progress = () => {}) {
  const number = answers.size
  return new Promise((resolve, reject) => {
    answers.set(number, answer => {
      if (answer.progress) return progress(answer.progress)
      answers.set(number, null)
      answer.error ? reject(new Error(answer.error)) : resolve(answer.done)
    })
    worker.postMessage({ number, ...request })
  })
}

function say(kind, text) {
  $('verdict').className = kind
  $('verdict').textContent = text
  $('verdict').hidden = false
}

// ---- Judging -------------------------------------------------------------------------------------------------------

let turn = 0
async function judge(file, name, taught) {
  const mine = ++turn
  $('seen').hidden = true
  say('', `${name} is being judged … The first photograph loads the model.`)
  $('verdict').scrollIntoView({ block: 'nearest' })
  try {
    const found = await ask({ file, taught })
    const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' })
    if (mine !== turn) return bitmap.close()
    shown?.bitmap.close()
    shown = { name, bitmap, taught, ...found }
    $('seen').hidden = false
    $('limit').value = 1
    show()
  } catch (error) {
    if (mine === turn) say('error', `${name}: ${error.message}`)
  }
}

// Verdict and overlay at the limit of the slider; verdicts compare in single precision, as in Python.
function show() {
  const { name, score, threshold, ms, taught } = shown, by = Number($('limit').value)
  const limit = threshold * by, defect = Math.fround(score) >= Math.fround(limit)
  const times = (Math.floor(score / limit * 100 + 1e-9) / 100).toFixed(2)
  say(defect ? 'defect' : 'good', `${defect ? '◆ DEFECT' : '○ good'}, ${times} times the limit: ${name}`)
  $('times').textContent = `${by.toFixed(2)} × the calibrated one (${limit.toPrecision(4)})`
  const flagged = draw(shown, shown.pixelThreshold * by)
  const model = taught ? 'your part' : 'the blister pack'
  $('told').textContent = `Score ${score.toPrecision(5)}, judged in ${(ms / 1000).toFixed(1)} s by the model of ${model}; ` +
    `${(100 * flagged).toFixed(1)} % of the pixels are at or above the limit for pixels and outlined.`
}

// ---- Overlay -------------------------------------------------------------------------------------------------------

const RAMP = [[106, 23, 110], [177, 50, 90], [234, 99, 42], [252, 178, 22], [252, 255, 164]]

// Colour from the limit to three times the limit; nothing below it; a white line, dark on its outside, around it.
function coloured(map, side, limit) {
  const picture = new ImageData(side, side), flagged = i => map[i] >= limit
  const beside = i => [i % side ? i - 1 : i, (i + 1) % side ? i + 1 : i]
  const near = i => [...beside(i), Math.max(i % side, i - side), Math.min(map.length - side + i % side, i + side)]
  for (let i = 0; i < map.length; i++) {
    const edge = near(i).some(j => flagged(j) !== flagged(i)), at = Math.min(1, (map[i] / limit - 1) / 2)
    const place = Math.max(0, at) * (RAMP.length - 1), step = Math.min(RAMP.length - 2, Math.floor(place))
    const colour = [0, 1, 2].map(c => RAMP[step][c] + (place - step) * (RAMP[step + 1][c] - RAMP[step][c]))
    if (edge) picture.data.set(flagged(i) ? [255, 255, 255, 255] : [0, 0, 0, 255], 4 * i)
    else if (flagged(i)) picture.data.set([...colour, 130 + 60 * at], 4 * i)
  }
  return picture
}

// Draw the photograph and its map; returns the share of the pixels that are flagged.
function draw({ name, bitmap, map, side }, limit) {
  const canvas = $('picture'), scale = 1024 / Math.max(bitmap.width, bitmap.height), pen = canvas.getContext('2d')
  canvas.width = Math.round(bitmap.width * scale)
  canvas.height = Math.round(bitmap.height * scale)
  pen.imageSmoothingQuality = 'high'
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  const layer = new OffscreenCanvas(side, side)
  layer.getContext('2d').putImageData(coloured(map, side, limit), 0, 0)
  if ($('map').checked) pen.drawImage(layer, 0, 0, canvas.width, canvas.height)
  canvas.setAttribute('aria-label', `${name}${$('map').checked ? ', flagged pixels coloured and outlined' : ''}`)
  return map.filter(value => value >= limit).length / map.length
}

// ---- Teaching ------------------------------------------------------------------------------------------------------

async function teach(files) {
  const told = text => { $('learned').textContent = text }
  if (files.length < 5 || files.length > 20)
    return told(`${files.length} photograph${files.length === 1 ? '' : 's'}: 5 to 20 are needed.`)
  told('The first time loads the network, 9 MB …')
  try {
    const start = performance.now(), found = await ask({ files }, text => told(`${text} …`))
    const odd = found.scores.indexOf(Math.max(...found.scores))
    $('which').hidden = false
    $('own').checked = true
    told(`Learned in ${((performance.now() - start) / 1000).toFixed(0)} s: ${files.length} photographs, ` +
      `${found.picks.length} patches kept, limit ${found.threshold.toPrecision(4)}. ${files[odd].name} differs most from ` +
      'the others and sets the limit; if it is not a good part, leave it out and begin again. ' +
      'Photographs that you drop now are judged by this model.')
  } catch (error) { told(`Nothing was learned. ${error.message}`) }
}

// ---- Buttons, files and keys ---------------------------------------------------------------------------------------

async function begin() {
  const facts = await (await fetch(made('facts.json'))).json()
  $('known').textContent = facts.limit
  for (const label of facts.photographs) {
    const file = await (await fetch(made(`${label}.png`))).blob()
    const button = document.createElement('button'), picture = document.createElement('img')
    Object.assign(picture, { src: URL.createObjectURL(file), alt: '', width: 320, height: 256 })
    button.append(picture, label)
    button.onclick = () => {
      for (const other of $('demo').querySelectorAll('button')) other.setAttribute('aria-pressed', other === button)
      judge(file, label, false)
    }
    $('demo').append(button)
  }
}

const one = file => { if (file) judge(file, file.name, $('own').checked) }
$('file').onchange = event => { one(event.target.files[0]); event.target.value = '' }
$('good').onchange = event => { teach([...event.target.files]); event.target.value = '' }
$('limit').oninput = $('map').onchange = () => show()
for (const kind of ['dragover', 'dragleave', 'drop'])
  document.addEventListener(kind, event => {
    event.preventDefault()
    const zone = event.target.closest?.('#teach') ? $('teach') : $('judge')
    for (const each of [$('teach'), $('judge')]) each.classList.toggle('over', kind === 'dragover' && each === zone)
    const files = kind === 'drop' ? [...event.dataTransfer.files] : []
    if (files.length) zone === $('teach') ? teach(files) : one(files[0])
    if (files.length > 1 && zone === $('judge'))
      $('learned').textContent = `Of ${files.length} photographs the first is judged. To teach a part, drop them here.`
  })
begin().catch(worker.onerror)
