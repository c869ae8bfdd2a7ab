import type { FoundWords, GivenOption } from './device-line-words.ts';
import { splitOptions } from './device-line-words.ts';
import { shown } from './size.ts';

/** The spellings that are read, and what the page calls them. */
export const DIALECTS = {
  ocssd12: 'qemu-nvme, branch ocssd12',
  master: 'qemu-nvme, branch master (open-channel 2.0)',
  masterPlain: 'qemu-nvme, branch master',
  next: 'qemu-nvme, branch next (open-channel 2.0)',
  femu20: 'FEMU (open-channel 2.0)',
  femu12: 'FEMU (open-channel 1.2)',
  femuPlain: 'FEMU',
} as const;

/** One device of the paste, cut into its options. */
export interface GivenDevice {
  readonly driver: string;
  readonly options: readonly GivenOption[];
}

/** Which spelling a paste is in, with the devices that it takes. */
export type Recognised =
  | { readonly ok: true; readonly spelling: 'ocssd12' | 'femu'; readonly device: GivenDevice }
  | {
      readonly ok: true;
      readonly spelling: 'master';
      readonly device: GivenDevice;
      /** The image's options; undefined where the paste makes no image. */
      readonly image: readonly GivenOption[] | undefined;
    }
  | {
      readonly ok: true;
      readonly spelling: 'next';
      readonly device: GivenDevice;
      /** Undefined where the controller carries the namespace's options itself. */
      readonly namespace: GivenDevice | undefined;
    }
  | { readonly ok: false; readonly option?: string; readonly error: string };

/** Options of qemu-nvme's master branch that ocssd12 does not have. */
const MASTER_ONLY = new Set([
  'dialect',
  'dlfeat',
  'lmccap',
  'lnum_grp',
  'lnum_pu',
  'lnum_sec',
  'lws_min',
  'lws_opt',
  'lmw_cunits',
  'lchunkstate',
  'lresetfail',
  'lwritefail',
  'learly_reset',
  'lsgl_lbal',
]);

/** Options that master has and ocssd12 has not, but others have too: they tell only where lver is absent. */
const MASTER_HINTS = new Set(['ms', 'ms_max', 'num_queues', 'cmb_size_mb']);

/** An option of open-channel 2.0. */
export function isOption20(name: string): boolean {
  return MASTER_ONLY.has(name);
}

/** Tells by how the line looks which program it is for. */
export function recognise(words: FoundWords, line: string): Recognised {
  const devices = words.devices.map(splitOptions);
  if (devices.some(({ driver }) => isNext(driver))) return recogniseNext(devices);
  const [device, second] = devices;
  if (device === undefined) return refuse(nothingFound(words, line));
  if (second !== undefined) {
    return refuse(
      `The line has ${devices.length} nvme devices, but a lab has one disk: paste one of them, as in -device nvme,serial=deadbeef,lver=1.`,
    );
  }
  const { driver, options } = device;
  if (driver === 'femu') return { ok: true, spelling: 'femu', device };
  if (driver !== 'nvme') {
    return refuse(
      `${shown(driver)} is not a device of this lab: the line has to begin with nvme, ocssd or femu, as in nvme,serial=deadbeef,lver=1.`,
    );
  }
  if (words.image !== undefined) {
    return {
      ok: true,
      spelling: 'master',
      device,
      image: splitOptions(`image,${words.image}`).options,
    };
  }
  const lver = options.findLast((option) => option.name === 'lver')?.value;
  if (lver === '2') {
    return refuse(
      'lver=2 is the spelling of FEMU (open-channel 2.0), whose device is femu: femu,devsz_mb=1024,femu_mode=0,lver=2 would work.',
      'lver',
    );
  }
  const isMaster = options.some(({ name }) => MASTER_ONLY.has(name) || MASTER_HINTS.has(name));
  return lver === undefined && isMaster
    ? { ok: true, spelling: 'master', device, image: undefined }
    : { ok: true, spelling: 'ocssd12', device };
}

function isNext(driver: string): boolean {
  return driver === 'ocssd' || driver === 'ocssd-ns';
}

function recogniseNext(devices: readonly GivenDevice[]): Recognised {
  const controllers = devices.filter(({ driver }) => driver === 'ocssd');
  const namespaces = devices.filter(({ driver }) => driver === 'ocssd-ns');
  const [device] = controllers;
  if (device === undefined) {
    return refuse(
      'ocssd-ns is the namespace of a controller that the line does not have: put -device ocssd,serial=deadbeef before it.',
    );
  }
  if (controllers.length + namespaces.length < devices.length || controllers.length > 1) {
    return refuse(
      `The line has ${devices.length} devices, but a lab has one disk: one -device ocssd with one -device ocssd-ns works.`,
    );
  }
  if (namespaces.length > 1) {
    return refuse(
      `The line has ${namespaces.length} ocssd-ns devices, but an open-channel disk is one namespace here: one -device ocssd-ns works.`,
    );
  }
  return { ok: true, spelling: 'next', device, namespace: namespaces[0] };
}

function nothingFound(words: FoundWords, line: string): string {
  if (words.image !== undefined && !words.sawDeviceWord) {
    return 'The line makes an ocssd image, but has no device that uses it: put -device nvme,drive=mynvme,serial=deadbeef behind it.';
  }
  const problem = words.sawDeviceWord
    ? 'No -device of the line is an nvme'
    : `There is no nvme device in ${shown(line) === '' ? 'an empty line' : shown(line)}`;
  return `${problem}: write -device nvme,serial=deadbeef,lver=1 or the part of it from nvme on.`;
}

function refuse(error: string, option?: string): Recognised {
  return option === undefined ? { ok: false, error } : { ok: false, option, error };
}
