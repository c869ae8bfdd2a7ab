import { describe, expect, it } from 'vitest';
import { deviceOptionsDocument } from './options-doc.ts';
import { editDistance, nearestName } from './options-nearest.ts';
import { readNumber } from './options-value.ts';
import { allowedPhrase, findOption, OPTIONS, type OptionSpec } from './options.ts';

function option(name: string): OptionSpec {
  const spec = findOption(name);
  if (spec === undefined) throw new Error(`no option ${name}`);
  return spec;
}

describe('the table of options', () => {
  it('has every name once', () => {
    expect(new Set(OPTIONS.map(({ name }) => name)).size).toBe(OPTIONS.length);
  });

  it('knows every option of qemu-nvme, branch ocssd12 (nvme_props)', () => {
    const names =
      'serial namespaces queues entries max_cqes max_sqes stride aerl acl elpe mdts cqr vwc intc intc_thresh intc_time mpsmin mpsmax nlbaf lba_index extended dpc dps mc meta cmbsz cmbloc oacs oncs vid did lver ll2pmode lsec_size lsecs_per_pg lpgs_per_blk lmax_sec_per_rq lmtype lfmtype lnum_ch lnum_lun lnum_pln lreadl2ptbl lbbtable lmetadata lmetasize lbbfrequency lb_err_write ln_err_write ldebug lstrict drive';
    expect(names.split(' ').filter((name) => findOption(name) === undefined)).toEqual([]);
  });

  it('takes its own defaults', () => {
    for (const spec of OPTIONS.filter(({ type }) => type !== 'text')) {
      expect(readNumber(spec, spec.defaultValue), spec.name).toMatchObject({ ok: true });
    }
  });
});

describe('readNumber', () => {
  it.each([
    ['entries', '0x7FF', 2047],
    ['entries', ' 12 ', 12],
    ['ldebug', 'on', 1],
    ['ldebug', 'FALSE', 0],
    ['mdts', '0', 0],
  ])('%s=%s is %i', (name, text, value) => {
    expect(readNumber(option(name), text)).toEqual({ ok: true, value });
  });

  it.each([
    ['entries', '0x', /not a whole number/],
    ['entries', '1e3', /not a whole number/],
    ['entries', '10k', /not a whole number/],
    ['entries', 'on', /not a whole number/],
    ['entries', '99999999999999999999', /entries=65535 would work/],
    ['lnum_pln', '3', /1, 2 or 4 is allowed/],
  ])('refuses %s=%s', (name, text, says) => {
    expect(readNumber(option(name), text)).toMatchObject({
      ok: false,
      error: expect.stringMatching(says) as string,
    });
  });
});

describe('nearestName', () => {
  const names = OPTIONS.map(({ name }) => name);
  it.each([
    ['lnum_luns', 'lnum_lun'],
    ['lnmu_lun', 'lnum_lun'],
    ['SERIAL', 'serial'],
    ['lmeta_size', 'lmetasize'],
    ['zzzzzzzzzz', undefined],
    ['x'.repeat(5000), undefined],
  ])('%s is probably %s', (given, name) => {
    expect(nearestName(given, names)).toBe(name);
  });

  it('counts a swap as one edit', () => {
    expect(editDistance('ab', 'ba')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
  });
});

describe('allowedPhrase', () => {
  it.each([
    ['lnum_lun', 'a power of two from 1 to 128'],
    ['lnum_pln', '1, 2 or 4'],
    ['extended', 'only 0'],
    ['namespaces', 'a whole number from 1 to 256'],
    ['ldebug', '0 or 1'],
    ['queues', 'a whole number from 1 to 2047'],
  ])('%s takes %s', (name, phrase) => {
    expect(allowedPhrase(option(name))).toBe(phrase);
  });
});

it('docs/device-options.md is up to date (npx vitest -u writes it)', async () => {
  await expect(deviceOptionsDocument()).toMatchFileSnapshot('../../docs/device-options.md');
});
