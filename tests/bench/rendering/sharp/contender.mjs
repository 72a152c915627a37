// A contender on sharp, with the arguments and the report of tests/bench/rendering/child.py.
// "sharp" is its usual form, a pipeline a variant; "cascade" is written by hand: one decode, raw pixels handed down.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const [home, name, text, out, times, ...files] = process.argv.slice(2);
const sharp = createRequire(path.join(home, 'package.json'))('sharp');
const ladder = JSON.parse(text);
sharp.cache(false);
sharp.concurrency(1);

function encoded(image) {
  if (ladder.format === 'webp') return image.webp({ quality: ladder.quality, effort: ladder.effort });
  if (ladder.format === 'avif') return image.avif({ quality: ladder.quality, effort: ladder.effort, chromaSubsampling: '4:2:0' });
  return image.jpeg({ quality: ladder.quality });
}

async function usual(data) {
  const made = [];
  for (const width of ladder.widths) made.push(await encoded(sharp(data).resize({ width })).toBuffer());
  return made;
}

async function cascade(data) {
  const made = [];
  let image = sharp(data);
  for (const width of ladder.widths) {
    const { data: pixels, info } = await image.resize({ width }).raw().toBuffer({ resolveWithObject: true });
    const raw = { raw: { width: info.width, height: info.height, channels: info.channels } };
    made.push(await encoded(sharp(pixels, raw)).toBuffer());
    image = sharp(pixels, raw);
  }
  return made;
}

const make = name === 'cascade' ? cascade : usual;
const data = files.map((file) => [path.parse(file).name, fs.readFileSync(file)]);
for (const [stem, bytes] of data) {
  const made = await make(bytes);
  made.forEach((each, index) => fs.writeFileSync(path.join(out, `${stem}-${ladder.widths[index]}`), each));
}
const began = process.hrtime.bigint();
const cpu = process.cpuUsage();
for (let round = 0; round < Number(times); round += 1) for (const [, bytes] of data) await make(bytes);
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({
  images: Number(times) * data.length,
  seconds: Number(process.hrtime.bigint() - began) / 1e9,
  cpu_seconds: (used.user + used.system) / 1e6,
  peak_rss: 1024 * Number(/VmHWM:\s*(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]), // maxRSS knows the parent's
}));
