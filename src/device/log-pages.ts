import {
  Effect,
  EFFECTS_IO_OFFSET,
  EFFECTS_LOG_BYTES,
  firmwareLog,
  LogPage,
  Oacs,
  Oncs,
} from '../spec/identify.ts';
import { pack } from '../spec/layout.ts';
import { Mccap } from '../spec/ocssd20.ts';
import { AdminOpcode, IoOpcode } from '../spec/opcodes.ts';
import type { ControllerConfig } from './config.ts';
import type { Core } from './core.ts';
import type { FormatAdmin } from './format.ts';
import { optionalAdminCommands, optionalIoCommands } from './optional.ts';
import { smartPage } from './smart.ts';

/** A log page's bytes, or undefined for one that is not kept. */
export function logPage(lid: number, core: Core, format: FormatAdmin): Uint8Array | undefined {
  switch (lid) {
    case LogPage.error:
      return core.errors.page();
    case LogPage.smart:
      return smartPage(core);
    case LogPage.firmware:
      return pack(firmwareLog, { afi: 1, frs1: '1.0' });
    case LogPage.changedNamespaces:
      return format.isAnnounced ? format.changedPage() : undefined;
    case LogPage.effects:
      return effectsPage(core.config);
    default:
      return undefined;
  }
}

/** Log page 05h: which commands there are, and what they change. */
function effectsPage(config: ControllerConfig): Uint8Array {
  const bytes = new Uint8Array(EFFECTS_LOG_BYTES);
  const view = new DataView(bytes.buffer);
  const admin = (opcode: number, effects = 0) =>
    view.setUint32(4 * opcode, (Effect.supported | effects) >>> 0, true);
  const io = (opcode: number, effects = 0) =>
    view.setUint32(EFFECTS_IO_OFFSET + 4 * opcode, (Effect.supported | effects) >>> 0, true);
  const { deleteSq, createSq, getLogPage, deleteCq, createCq, identify, abort } = AdminOpcode;
  const { setFeatures, getFeatures, asyncEventRequest } = AdminOpcode;
  for (const opcode of [deleteSq, createSq, getLogPage, deleteCq, createCq, identify, abort]) admin(opcode);
  for (const opcode of [setFeatures, getFeatures, asyncEventRequest]) admin(opcode);
  if ((optionalAdminCommands(config) & Oacs.format) !== 0)
    admin(AdminOpcode.formatNvm, Effect.changesBlocks | Effect.changesNamespace | Effect.oneNamespace);
  io(IoOpcode.flush);
  io(IoOpcode.read);
  io(IoOpcode.write, Effect.changesBlocks);
  const oncs = optionalIoCommands(config);
  if ((oncs & Oncs.compare) !== 0) io(IoOpcode.compare);
  if ((oncs & Oncs.writeUncorrectable) !== 0) io(IoOpcode.writeUncorrectable, Effect.changesBlocks);
  if ((oncs & Oncs.datasetManagement) !== 0) io(IoOpcode.datasetManagement, Effect.changesBlocks);
  if ((oncs & Oncs.writeZeroes) !== 0) io(IoOpcode.writeZeroes, Effect.changesBlocks);
  const kinds = new Set(config.namespaces.map(({ kind }) => kind));
  if (kinds.has('ocssd12') || kinds.has('ocssd20')) {
    admin(AdminOpcode.geometry);
    io(IoOpcode.vectorErase, Effect.changesBlocks);
    io(IoOpcode.vectorWrite, Effect.changesBlocks);
    io(IoOpcode.vectorRead);
  }
  if (config.namespaces.some((ns) => ns.kind === 'ocssd20' && (ns.mccap & Mccap.vectorCopy) !== 0))
    io(IoOpcode.vectorCopy, Effect.changesBlocks);
  if (kinds.has('ocssd12')) {
    admin(AdminOpcode.setBadBlockTable);
    admin(AdminOpcode.getBadBlockTable);
  }
  return bytes;
}
