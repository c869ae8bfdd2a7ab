// SPDX-License-Identifier: MIT
// node guest/boot-test.mjs [dir]: boots public/guest in v86, without a disk, and
// tries shells, labd and watchd (PROTOCOL.md), tools and poweroff. One line per check;
// exit code 1 if one fails. Not part of the fast tests: it boots a machine.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';

const dir = process.argv[2] ?? fileURLToPath(new URL('../public/guest', import.meta.url));
const load = (name) => ({ buffer: new Uint8Array(readFileSync(join(dir, name))).buffer });
const manifest = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'));
const MAGIC = 0x4d564e4c;
const EXEC = 1, KILL = 2, PING = 3, WINSIZE = 4, CLOCK = 5, ENTROPY = 6, WAKE = 7; // prettier-ignore
const OUTPUT = 0x81, EXIT = 0x82, HELLO = 0x83, ERROR = 0x84; // prettier-ignore

const emulator = new V86({
  wasm_path: join(dirname(createRequire(import.meta.url).resolve('v86')), 'v86.wasm'),
  bios: load('seabios.bin'),
  vga_bios: load('vgabios.bin'),
  bzimage: load('bzImage'),
  initrd: load('initramfs.cpio.zst'), // the kernel unpacks it
  cmdline: manifest.cmdline,
  memory_size: 128 << 20,
  vga_memory_size: 2 << 20,
  autostart: true,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
  uart1: true,
  virtio_console: true,
  filesystem: {},
});

const tty = ['', ''];
for (const n of [0, 1])
  emulator.add_listener(`serial${n}-output-byte`, (byte) => (tty[n] += String.fromCharCode(byte)));
const type = (n, text) => emulator.serial_send_bytes(n, new TextEncoder().encode(text));

const frames = [];
let pending = Buffer.alloc(0);
emulator.add_listener('virtio-console0-output-bytes', (bytes) => {
  pending = Buffer.concat([pending, bytes]);
  while (pending.length >= 16 && pending.length >= 16 + pending.readUInt32LE(12)) {
    const length = pending.readUInt32LE(12);
    if (pending.readUInt32LE(0) !== MAGIC) throw new Error('the guest sent something else than a frame');
    frames.push({ type: pending[4], id: pending.readUInt32LE(8), data: pending.subarray(16, 16 + length) });
    pending = pending.subarray(16 + length);
  }
});

let trace = Buffer.alloc(0);
emulator.add_listener('virtio-console1-output-bytes', (bytes) => (trace = Buffer.concat([trace, bytes])));

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, condition, ms = 120_000) {
  for (const start = Date.now(); !condition(); await sleep(5))
    if (Date.now() - start > ms) throw new Error(`timeout: ${what}`);
}
const sending = [];
async function send(bytes) {
  // v86 puts each message into one buffer of 4096 bytes, if there is one.
  const idle = sending.length === 0;
  for (let i = 0; i < bytes.length; i += 4096) sending.push(new Uint8Array(bytes.subarray(i, i + 4096)));
  if (!idle) return;
  while (sending.length > 0) {
    const queue = emulator.v86.cpu.devices.virtio_console.virtio.queues[0];
    if (queue.has_request()) emulator.bus.send('virtio-console0-input-bytes', sending.shift());
    else await sleep(1);
  }
}
function frame(kind, id, payload = '') {
  const data = Buffer.from(payload);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(MAGIC, 0);
  header[4] = kind;
  header.writeUInt32LE(id, 8);
  header.writeUInt32LE(data.length, 12);
  return Buffer.concat([header, data]);
}
const of = (id) => frames.filter((f) => f.id === id);
const output = (id) => Buffer.concat(of(id).filter((f) => f.type === OUTPUT).map((f) => f.data)).toString(); // prettier-ignore
const last = (id) => of(id).find((f) => f.type === EXIT || f.type === ERROR);
const status = (id) => (last(id).type === EXIT ? last(id).data.readInt32LE(0) : `error: ${last(id).data}`);
let next = 1;
async function exec(command) {
  const id = next++;
  const start = Date.now();
  send(frame(EXEC, id, command));
  await until(command, () => last(id));
  return { out: output(id), status: status(id), ms: Date.now() - start };
}
let failed = 0;
function check(what, ok, more = '') {
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what} ${more}`);
  if (!ok) failed++;
}
async function says(command, pattern, expected = 0) {
  const r = await exec(command);
  check(command, pattern.test(r.out) && r.status === expected, `(${r.ms} ms)`);
  if (!pattern.test(r.out) || r.status !== expected) console.log(r.status, r.out);
}

async function run() {
  const start = Date.now();
  await until('prompt', () => tty[0].includes('root@ocssd:~# '));
  check(
    'prompt on ttyS0',
    true,
    `${Date.now() - start} ms, ${(emulator.v86.cpu.instruction_counter[0] >>> 0) / 1e6} M instructions`,
  );
  await until('HELLO', () => frames.length > 0);
  check(
    'HELLO, version 2',
    frames[0].type === HELLO && frames[0].id === 0 && frames[0].data.readUInt32LE(0) === 2,
  );
  await until('HELLO of watchd', () => trace.length >= 20);
  check(
    'HELLO of watchd, version 1, and nothing else',
    trace.length === 20 && trace[4] === HELLO && trace.readUInt32LE(8) === 0 && trace.readUInt32LE(16) === 1,
  );
  await until('second prompt', () => tty[1].includes('root@ocssd:~# '));

  await says('nvme version', /^nvme version 1\.12$/m);
  await says('nvme lnvm info', /pblk\s+\(1,0,0\)/);
  await says('fio --version', /^fio-3/);
  await says('mke2fs -V', /1\.46\.2/);
  await says('mkfs.f2fs -V', /1\.14/);
  await says('lsblk --version', /util-linux 2\.36\.1/);
  await says(
    'fio --name=t --filename=/tmp/f --size=256k --rw=randwrite --ioengine=libaio --thread --minimal; rm /tmp/f',
    /fio-3/,
  );
  await says('truncate -s 24M /tmp/i; mkfs.ext4 -q /tmp/i && mkdir -p /mnt/a && mount -o loop /tmp/i /mnt/a && echo x > /mnt/a/x && lsblk && umount /mnt/a && e2fsck -fn /tmp/i; rm /tmp/i', /loop0[^]*12\/6144 files/); // prettier-ignore
  await says('dd if=/dev/zero bs=64k count=4 2> /dev/null | md5sum', /^ec87a838931d4d5d2e94a04644788a55/);
  await says(
    'cd /sys/kernel/tracing/events && ls -d pblk block writeback nvme',
    /block\nnvme\npblk\nwriteback/,
  );
  await says('echo hello > /host/a && cat /host/a', /hello/);
  await says(
    'for c in vi less hexdump xxd md5sum cmp watch top dmesg flock; do command -v $c > /dev/null || echo no $c; done',
    /^$/,
  );
  await says('pwd; ls /root', /^\/root\n$/);

  await says('echo out; echo err >&2; exit 3', /^out\nerr\n$/, 3);
  await says('kill -TERM $$', /^$/, 143);
  const bg = await exec('sleep 60 & echo bg');
  check('a background child does not hold EXIT back', bg.out === 'bg\n' && bg.status === 0, `(${bg.ms} ms)`);
  const much = await exec('seq 1 20000');
  check('all output arrives', much.out === Array.from({ length: 20000 }, (_, i) => `${i + 1}\n`).join(''));
  send(frame(EXEC, 9001, 'yes'));
  send(
    Buffer.concat([
      frame(EXEC, 9002, 'echo two'),
      frame(EXEC, 9002, 'sleep 1'),
      frame(EXEC, 9003, 'sleep 0.2; echo three'),
    ]),
  );
  await until('concurrent commands', () => last(9003) && of(9002).length >= 3);
  check('three commands at once; a used id is refused', output(9002) === 'two\n' && output(9003) === 'three\n' && of(9002).some((f) => f.type === ERROR)); // prettier-ignore
  send(frame(KILL, 9001));
  await until('kill', () => last(9001));
  check('KILL', status(9001) === 137);
  send(Buffer.from('noise LNVnoise LNVM\n'));
  send(frame(PING, 9010));
  await until('PING', () => of(9010).length > 0);
  check('PING after noise', of(9010)[0].type === HELLO);
  const huge = frame(EXEC, 9011);
  huge.writeUInt32LE(0x7fffffff, 12);
  send(huge);
  send(frame(EXEC, 9012, `#${'x'.repeat(120_000)}\necho long`));
  await until('long command', () => last(9011) && last(9012));
  check('a frame over 1 MiB is refused', /1 MiB/.test(status(9011)));
  check('a command of 120 kB', output(9012) === 'long\n');
  send(frame(WINSIZE, 0, Buffer.from([1, 0, 101, 0, 37, 0])));
  await says('stty -F /dev/ttyS1 size', /^37 101$/m);
  const clock = Buffer.alloc(8);
  clock.writeBigUInt64LE(2_000_000_000_000n);
  send(frame(CLOCK, 0, clock));
  await says('date -u +%s', /^200000000\d$/m);
  send(frame(ENTROPY, 9020, ''));
  send(frame(ENTROPY, 9021, Buffer.alloc(64, 7)));
  send(frame(ENTROPY, 9022, 'x'));
  send(frame(PING, 9023));
  await until('ENTROPY', () => of(9023).length > 0);
  check('ENTROPY: none is refused', /malformed/.test(status(9020)));
  check('ENTROPY: seeds, and seeds again', of(9021).length === 0 && of(9022).length === 0);
  const woken = Date.now();
  send(
    Buffer.concat([
      frame(WAKE, 9030, [1]),
      frame(WAKE, 9031, [0, 0]),
      frame(WAKE, 9032, [1, 0]),
      frame(WAKE, 9033, [0, 0]),
      frame(EXEC, 9032, 'echo no'),
      frame(EXEC, 9034, 'echo meanwhile'),
    ]),
  );
  await until('WAKE', () => last(9032) && last(9034));
  check('WAKE: one of no length is refused', /malformed/.test(status(9030)));
  check('WAKE: nothing to wait for', status(9031) === 0);
  check('WAKE: one at a time', /pending/.test(status(9033)) && /still running/.test(status(9032)));
  check('WAKE: a command meanwhile', output(9034) === 'meanwhile\n' && Date.now() - woken < 4000);
  const timedOut = () => of(9032).find((f) => f.type === EXIT);
  await until('end of WAKE', timedOut);
  check(
    'WAKE: no disk in 5 s',
    timedOut().data.readInt32LE(0) === 1 && Date.now() - woken > 4000,
    `(${Date.now() - woken} ms)`,
  );

  type(0, 'sleep 100\n');
  await sleep(1000);
  type(0, '\x1a');
  await sleep(500);
  type(0, 'jobs\n');
  await until('job control', () => /\[1\]\+\s+Stopped/.test(tty[0]));
  check('job control', true);
  const before = tty[1].length;
  type(1, 'exit\n');
  await until('new shell', () => tty[1].indexOf('root@ocssd:~# ', before) > 0);
  check('a shell that exits comes back', true);
  check('nothing of labd on the terminals', !tty[0].includes('LNVM') && !tty[1].includes('LNVM'));

  type(1, 'poweroff\n');
  await until('System halted', () => tty[0].includes('System halted'));
  await sleep(500);
  const { cpu } = emulator.v86;
  check('poweroff: CPU halted, interrupts off', cpu.in_hlt[0] === 1 && (cpu.flags[0] & 0x200) === 0);
}

try {
  await run();
} catch (error) {
  check(error.message, false);
  console.log(`ttyS0 ends with:\n${tty[0].slice(-1000)}`);
}
process.exit(failed > 0 ? 1 : 0);
