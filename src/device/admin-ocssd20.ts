import { chunkLog, chunkLogBytes } from '../flash/chunk-log.ts';
import { MAX_NOTICES } from '../flash/chunk-notices.ts';
import { pack } from '../spec/layout.ts';
import { chunkNotification, Feature20, LogPage20, VENDOR_EVENT_TYPE } from '../spec/ocssd20.ts';
import { AdminOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import { chunkGeometryData } from './identify-ocssd20.ts';
import type { ChunkNamespace } from './namespace.ts';
import { sendStruct } from './transfer-map.ts';

const ALL_NAMESPACES = 0xffff_ffff;
/** Get Log Page, dword 10: the events of this page stay masked (NVMe 1.3, "Retain Asynchronous Event"). */
const RETAIN_EVENT = 0x8000;
/** Get and Set Features, dword 10. */
const SAVE_BIT = 0x8000_0000;
const SELECT_SHIFT = 8;
const SELECT_MASK = 0x7;
const SELECT_CURRENT = 0;
const SELECT_CAPABILITIES = 3;
const CHANGEABLE = 1 << 2;
/**
 * Media feedback: which corrected errors a read reports (qemu-nvme OCSSD_MEDIA_FEEDBACK_HECC, _VHECC). Kept and told,
 * as in qemu-nvme, and without effect: no read of this flash needs much correction, and there is no fault that
 * would make one (ChunkFaults has writes and resets, as qemu-nvme's files do).
 */
export const MEDIA_FEEDBACK_BITS = 0x3;

/** Admin commands of an open-channel 2.0 namespace. */
export class ChunkAdmin {
  private readonly core: Core;
  /** Feature CAh. */
  mediaFeedback = 0;

  constructor(core: Core) {
    this.core = core;
    const logPage = LogPage20.chunkNotification;
    const raise = () => core.events.raise({ type: VENDOR_EVENT_TYPE, information: 0, logPage });
    for (const ns of core.namespaces) if (ns.kind === 'ocssd20') ns.medium.notices.onnotice = raise;
  }

  /** CC.EN went to 0. */
  reset(): void {
    this.mediaFeedback = 0;
  }

  /** E2h: the geometry. */
  geometry(command: Command, ns: ChunkNamespace): void {
    sendStruct(this.core, command, chunkGeometryData(ns));
  }

  // Logs -------------------------------------------------------------------------------------------

  /** Get Log Page for the logs of 2.0, `length` bytes from `offset`; false for any other log. */
  getLog(command: Command, lid: number, offset: number, length: number): boolean {
    const first = this.core.namespaces.findIndex(({ kind }) => kind === 'ocssd20');
    if (first < 0) return false;
    if (lid === LogPage20.chunkInformation) this.sendChunkLog(command, offset, length);
    else if (lid === LogPage20.chunkNotification) this.sendNotifications(command, first, offset, length);
    else return false;
    return true;
  }

  /**
   * CAh: a descriptor for each chunk. Only what is asked for is made, in pieces: the log of a large disk has
   * tens of megabytes. Asking beyond the end brings what there is, as in qemu-nvme.
   */
  private sendChunkLog(command: Command, offset: number, length: number): void {
    const { core } = this;
    const ns = core.namespaces[command.nsid - 1];
    if (ns?.kind !== 'ocssd20') {
      const all = command.nsid === 0 || command.nsid === ALL_NAMESPACES;
      const status = all ? Status.invalidField : Status.invalidNamespace;
      const why = `chunk information is kept for one namespace; ${command.nsid} is none with chunks`;
      refuse(core, command, status, 'namespace', why);
      return;
    }
    const total = chunkLogBytes(ns.medium);
    if (!this.insideLog(command, offset, total)) return;
    const bytes = Math.min(length, total - offset);
    const status = command.data.resolve(core.memory, command.prp1, command.prp2, bytes, core.pageBytes);
    if (status !== Status.success) {
      refuse(core, command, status, 'prp', 'the data pointers (PRP) lead outside memory or are misaligned');
      return;
    }
    chunkLog(ns.medium, offset, bytes, (at, piece) => command.data.push(at, piece, 0, piece.byteLength));
    core.complete(command, Status.success);
  }

  /** D0h: what was noticed of chunks, newest first; entries never used are zeros. */
  private sendNotifications(command: Command, namespaceIndex: number, offset: number, length: number): void {
    const { core } = this;
    const ns = core.namespaces[namespaceIndex] as ChunkNamespace;
    const bytes = new Uint8Array(MAX_NOTICES * chunkNotification.sizeBytes);
    if (!this.insideLog(command, offset, bytes.byteLength)) return;
    ns.medium.notices.newestFirst.forEach(({ count, lba, state, mask }, i) => {
      const entry = pack(chunkNotification, { nc: count, lba, nsid: namespaceIndex + 1, state, mask });
      bytes.set(entry, i * chunkNotification.sizeBytes);
    });
    const retain = (command.cdw10 & RETAIN_EVENT) !== 0;
    const sent = sendStruct(
      core,
      command,
      bytes.subarray(offset, Math.min(bytes.byteLength, offset + length)),
    );
    if (sent && !retain) core.events.logPageRead(LogPage20.chunkNotification);
  }

  private insideLog(command: Command, offset: number, total: number): boolean {
    if (offset % 4 === 0 && offset <= total) return true;
    const why = `log page offset ${offset} of ${total}`;
    refuse(this.core, command, Status.invalidField, 'log-page', why);
    return false;
  }

  // Features ---------------------------------------------------------------------------------------

  /** Get or Set Features for the feature of 2.0, media feedback (CAh); false for any other feature. */
  feature(command: Command): boolean {
    const { core } = this;
    const fid = command.cdw10 & 0xff;
    const hasChunks = core.namespaces.some(({ kind }) => kind === 'ocssd20');
    if (fid !== Feature20.mediaFeedback || !hasChunks) return false;
    const { nsid } = command;
    if (nsid !== 0 && nsid !== ALL_NAMESPACES && !core.namespaces[nsid - 1]) {
      refuse(core, command, Status.invalidNamespace, 'namespace', `namespace ${nsid} does not exist`);
    } else if (command.opcode === AdminOpcode.getFeatures) {
      this.getMediaFeedback(command);
    } else if ((command.cdw10 & SAVE_BIT) !== 0) {
      refuse(core, command, Status.featureNotSaveable, 'feature', 'media feedback cannot be saved');
    } else {
      this.mediaFeedback = command.cdw11 & MEDIA_FEEDBACK_BITS;
      core.complete(command, Status.success);
    }
    return true;
  }

  private getMediaFeedback(command: Command): void {
    const select = (command.cdw10 >>> SELECT_SHIFT) & SELECT_MASK;
    if (select > SELECT_CAPABILITIES) {
      refuse(this.core, command, Status.invalidField, 'feature', `select ${select}`);
      return;
    }
    const value =
      select === SELECT_CAPABILITIES ? CHANGEABLE : select === SELECT_CURRENT ? this.mediaFeedback : 0;
    this.core.complete(command, Status.success, value);
  }
}
