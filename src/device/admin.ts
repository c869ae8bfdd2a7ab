import { SavedFields, type TakeOver } from '../flash/saved-fields.ts';
import { Cns, LogPage } from '../spec/identify.ts';
import { AdminOpcode } from '../spec/opcodes.ts';
import type { Rule } from '../spec/rules.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { AbortAdmin } from './abort.ts';
import { OpenChannelAdmin } from './admin-ocssd12.ts';
import { ChunkAdmin, MEDIA_FEEDBACK_BITS } from './admin-ocssd20.ts';
import { QueueAdmin } from './admin-queues.ts';
import type { Command } from './command.ts';
import { type Core, explain, refuse } from './core.ts';
import { FormatAdmin } from './format.ts';
import {
  identifyActiveNamespaces,
  identifyControllerData,
  identifyDescriptors,
  identifyNamespaceData,
} from './identify.ts';
import { logPage } from './log-pages.ts';
import type { OpenChannelNamespace } from './namespace.ts';
import type { SubmissionQueue } from './queues.ts';
import { mapBytes, sendStruct } from './transfer-map.ts';

const ALL_NAMESPACES = 0xffff_ffff;
/** Get Log Page, dword 10: RAE. */
const RETAIN_EVENT = 1 << 15;

/** Namespaces that were formatted since the host looked, and media feedback of open-channel 2.0. */
export interface SavedAdmin {
  readonly changed: readonly number[];
  readonly mediaFeedback: number;
}

/** Admin commands of NVMe 1.2 and open-channel 1.2. Each ends in exactly one completion, at once or later. */
export class AdminCommands {
  private readonly core: Core;
  readonly abort: AbortAdmin;
  private readonly format: FormatAdmin;
  private readonly queues: QueueAdmin;
  private readonly openChannel: OpenChannelAdmin;
  private readonly chunk: ChunkAdmin;

  constructor(core: Core) {
    this.core = core;
    this.abort = new AbortAdmin(core);
    this.format = new FormatAdmin(core);
    this.queues = new QueueAdmin(core, () => core.features.queueCount);
    this.openChannel = new OpenChannelAdmin(core);
    this.chunk = new ChunkAdmin(core);
  }

  /** CC.EN went to 0. */
  reset(): void {
    this.abort.reset();
    this.format.forgetChanged();
    this.chunk.reset();
  }

  save(): SavedAdmin {
    return { changed: this.format.changedNamespaces, mediaFeedback: this.chunk.mediaFeedback };
  }

  /** Throws SavedStateError. */
  readSaved(value: unknown): TakeOver {
    const saved = new SavedFields(value, 'the admin commands');
    const { length } = this.core.namespaces;
    const changed = saved.wholes('changed', length, 1, length);
    const mediaFeedback = saved.whole('mediaFeedback', 0, MEDIA_FEEDBACK_BITS);
    return () => {
      this.format.changedNamespaces = changed;
      this.chunk.mediaFeedback = mediaFeedback;
    };
  }

  execute(command: Command): void {
    switch (command.opcode) {
      case AdminOpcode.identify:
        return this.identify(command);
      case AdminOpcode.createCq:
        return this.end(command, this.queues.createCq(command));
      case AdminOpcode.createSq:
        return this.end(command, this.queues.createSq(command));
      case AdminOpcode.deleteCq:
        return this.end(command, this.queues.deleteCq(command));
      case AdminOpcode.deleteSq:
        return this.queues.deleteSq(command);
      case AdminOpcode.setFeatures:
      case AdminOpcode.getFeatures:
        return this.feature(command);
      case AdminOpcode.getLogPage:
        return this.getLogPage(command);
      case AdminOpcode.abort:
        return this.abort.execute(command);
      case AdminOpcode.formatNvm:
        return this.format.execute(command);
      case AdminOpcode.asyncEventRequest:
        return this.core.events.hold(command);
      case AdminOpcode.geometry:
        return this.geometry(command);
      case AdminOpcode.getBadBlockTable:
        return this.onOpenChannel(command, (ns) => this.openChannel.getBadBlocks(command, ns));
      case AdminOpcode.setBadBlockTable:
        return this.onOpenChannel(command, (ns) => this.openChannel.setBadBlocks(command, ns));
      default:
        return this.refuse(
          command,
          Status.invalidOpcode,
          'opcode',
          'not an admin command of this controller',
        );
    }
  }

  /** The submission queue that a Delete command waits for has come to rest. */
  finishSqDeletion(sq: SubmissionQueue, deletion: Command): void {
    this.queues.finishSqDeletion(sq, deletion);
  }

  private end(command: Command, status: StatusCode): void {
    this.core.complete(command, status);
  }

  private refuse(command: Command, status: StatusCode, rule: Rule, why: string): void {
    refuse(this.core, command, status, rule, why);
  }

  // Identify and logs -----------------------------------------------------------------------------

  private send(command: Command, bytes: Uint8Array): void {
    sendStruct(this.core, command, bytes);
  }

  private identify(command: Command): void {
    const { namespaces, config } = this.core;
    const cns = command.cdw10 & 0xff;
    const nsid = command.nsid;
    switch (cns) {
      case Cns.controller:
        return this.send(command, identifyControllerData(config));
      case Cns.namespace:
      case Cns.allocatedNamespace:
      case Cns.namespaceDescriptors: {
        const ns = namespaces[nsid - 1];
        if (!ns)
          return this.refuse(
            command,
            Status.invalidNamespace,
            'namespace',
            `namespace ${nsid} does not exist`,
          );
        return this.send(
          command,
          cns === Cns.namespaceDescriptors ? identifyDescriptors(config, nsid) : identifyNamespaceData(ns),
        );
      }
      case Cns.activeNamespaces:
      case Cns.allocatedNamespaces:
        // FFFFFFFEh and FFFFFFFFh cannot be "the last one seen".
        if (nsid >= 0xffff_fffe)
          return this.refuse(command, Status.invalidNamespace, 'namespace', 'no namespace lies above that');
        return this.send(command, identifyActiveNamespaces(nsid, namespaces.length));
      default:
        return this.refuse(
          command,
          Status.invalidField,
          'field',
          `identify CNS ${cns} is not supported here`,
        );
    }
  }

  private getLogPage(command: Command): void {
    const lid = command.cdw10 & 0xff;
    // NUMDL and NUMDU: dwords, zero-based. Offset in bytes in dwords 12 and 13.
    const length = ((command.cdw11 & 0xffff) * 0x1_0000 + (command.cdw10 >>> 16) + 1) * 4;
    const offset = command.cdw13 * 0x1_0000_0000 + command.cdw12;
    if (this.chunk.getLog(command, lid, offset, length)) return;
    const log = logPage(lid, this.core, this.format);
    if (!log)
      return this.refuse(
        command,
        Status.invalidLogPage,
        'log-page',
        `log page ${lid.toString(16)}h is not kept`,
      );
    const wantsNamespace = command.nsid !== 0 && command.nsid !== ALL_NAMESPACES;
    if (lid !== LogPage.error && wantsNamespace && !this.core.namespaces[command.nsid - 1]) {
      return this.refuse(
        command,
        Status.invalidNamespace,
        'namespace',
        `namespace ${command.nsid} does not exist`,
      );
    }
    if (offset % 4 !== 0 || offset > log.byteLength) {
      return this.refuse(
        command,
        Status.invalidField,
        'log-page',
        `log page offset ${offset} of ${log.byteLength}`,
      );
    }
    const bytes = log.subarray(offset, Math.min(log.byteLength, offset + length));
    if (!mapBytes(this.core, command, bytes.byteLength)) return;
    command.pushData(0, bytes, 0, bytes.byteLength);
    // Without "retain asynchronous event" the host has taken note.
    if ((command.cdw10 & RETAIN_EVENT) === 0) {
      if (lid === LogPage.changedNamespaces) this.format.forgetChanged();
      this.core.complete(command, Status.success);
      this.core.events.logPageRead(lid);
    } else this.core.complete(command, Status.success);
  }

  private feature(command: Command): void {
    if (this.chunk.feature(command)) return;
    const { features } = this.core;
    const result = command.opcode === AdminOpcode.setFeatures ? features.set(command) : features.get(command);
    if (result.status !== Status.success) explain(command, result.status, 'feature', result.why);
    this.core.complete(command, result.status, result.value);
  }

  // Open-channel -----------------------------------------------------------------------------------

  private geometry(command: Command): void {
    const ns = this.core.namespaces[command.nsid - 1];
    if (ns?.kind === 'ocssd12') this.openChannel.geometry(command, ns);
    else if (ns?.kind === 'ocssd20') this.chunk.geometry(command, ns);
    else this.notOpenChannel(command);
  }

  private onOpenChannel(command: Command, action: (ns: OpenChannelNamespace) => void): void {
    const ns = this.core.namespaces[command.nsid - 1];
    if (ns?.kind === 'ocssd12') action(ns);
    else this.notOpenChannel(command);
  }

  private notOpenChannel(command: Command): void {
    const ns = this.core.namespaces[command.nsid - 1];
    if (!ns) {
      const why = `namespace ${command.nsid} does not exist`;
      this.refuse(command, Status.invalidNamespace, 'namespace', why);
      return;
    }
    const why =
      ns.kind === 'plain'
        ? 'this namespace is a plain disk (lver=0), not an open-channel one'
        : 'this namespace speaks open-channel 2.0, which has no bad-block table';
    this.refuse(command, Status.invalidOpcode, 'opcode', why);
  }
}
