/** Branch ocssd12: an open-channel SSD of specification 1.2, or a plain disk. FEMU's lver=1 has the same names. */
import type { NamespaceConfig } from '../device/config.ts';
import { unwantedFile, wrongBadBlocks } from './device-line-files.ts';
import { geometryFor } from './device-line-geometry.ts';
import { blockBytesOf, oneNamespaceOnly, plainNamespaces } from './device-line-plain.ts';
import { fail, type Values } from './device-line-values.ts';
import { NVME_TABLE } from './options.ts';
import type { DeviceFiles, DeviceLineError } from './types.ts';

export type NamespacesResult =
  { readonly ok: true; readonly namespaces: readonly NamespaceConfig[] } | DeviceLineError;

/** The namespaces of a plain disk. */
export function buildPlain(values: Values, sizeBytes: number, files: DeviceFiles): NamespacesResult {
  const unwanted = unwantedFile('plain', files);
  if (unwanted !== undefined) return unwanted;
  // Branch master has no formats to choose from: its plain disks have the blocks of any disk.
  const format =
    values.table.find('lba_index') === undefined
      ? { ok: true as const, blockBytes: 512 }
      : blockBytesOf(values);
  return format.ok ? plainNamespaces(values, sizeBytes, format.blockBytes) : format;
}

/** The namespace of an open-channel disk of 1.2. */
export function build12(values: Values, sizeBytes: number, files: DeviceFiles): NamespacesResult {
  // FEMU's own default of lba_index is not what its open-channel disks use.
  const format =
    values.table === NVME_TABLE || values.isGiven('lba_index')
      ? blockBytesOf(values)
      : { ok: true as const, blockBytes: 4096 };
  if (!format.ok) return format;
  const many = oneNamespaceOnly(values) ?? unwantedFile('ocssd12', files);
  if (many !== undefined) return many;
  const secSizeBytes = values.number('lsec_size');
  if (secSizeBytes !== 4096) {
    // pblk.h PBLK_EXPOSED_PAGE_SIZE; pblk-rb.c __pblk_rb_write_entry copies seg_size bytes of each 4096.
    const effect =
      secSizeBytes < 4096
        ? 'keeps only that much of every 4096 bytes and loses the rest'
        : 'reads past each 4096 bytes that it is given';
    return fail(
      `${values.quoted('lsec_size')} is not possible because pblk ${effect}: lsec_size=4096 works.`,
      'lsec_size',
    );
  }
  if (format.blockBytes !== secSizeBytes) {
    return fail(
      `lba_index=${values.number('lba_index')} makes blocks of ${format.blockBytes} bytes, but lsec_size=${secSizeBytes} has to be the same: lba_index=3 with nlbaf=5 would work.`,
      'lba_index',
    );
  }
  const fitted = geometryFor(
    {
      numCh: values.number('lnum_ch'),
      numLun: values.number('lnum_lun'),
      numPln: values.number('lnum_pln'),
      numPg: values.number('lpgs_per_blk'),
      secsPerPg: values.number('lsecs_per_pg'),
      secSizeBytes,
      oobSizeBytes: values.number('lmetasize'),
    },
    sizeBytes,
  );
  if (!fitted.ok) return fail(fitted.error, fitted.option);
  const wrongTable = wrongBadBlocks(fitted.geometry, files.badBlocks);
  if (wrongTable !== undefined) return wrongTable;
  return {
    ok: true,
    namespaces: [
      {
        kind: 'ocssd12',
        geometry: fitted.geometry,
        maxSecsPerRq: values.number('lmax_sec_per_rq'),
        mediaType: values.number('lmtype'),
        flashMediaType: values.number('lfmtype'),
        failWriteEverySecs: values.number('lb_err_write'),
        failWriteSecs: values.number('ln_err_write'),
        badBlockEvery: values.number('lbbfrequency'),
        ...(files.badBlocks === undefined ? {} : { initialBadBlocks: files.badBlocks }),
      },
    ],
  };
}
