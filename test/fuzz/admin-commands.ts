import { Feature } from '../../src/spec/identify.ts';
import { AdminOpcode } from '../../src/spec/opcodes.ts';
import type { FuzzCommand } from './command.ts';
import type { FuzzMemory } from './fuzz-memory.ts';
import type { Playground } from './playground.ts';
import type { Random } from './random.ts';

/** Queues of this number and above come and go; the pairs below belong to the fuzzer's own driver. */
export const FIRST_LOOSE_QUEUE = 2;
const features = Object.values(Feature);
/** Logs that exist somewhere: error, SMART, firmware, changed namespaces, effects, chunk log, notifications. */
const LOGS = [0x01, 0x02, 0x03, 0x04, 0x05, 0xca, 0xd0];

/** Makes admin commands as a driver would. */
export class AdminCommandMaker {
  private readonly random: Random;
  private readonly playground: Playground;
  private readonly memory: FuzzMemory;

  constructor(random: Random, playground: Playground, memory: FuzzMemory) {
    this.random = random;
    this.playground = playground;
    this.memory = memory;
  }

  make(command: FuzzCommand, namespaces: number, queuePairs: number, cids: readonly number[]): void {
    const { random, playground } = this;
    const nsid = 1 + random.below(namespaces);
    const queue = FIRST_LOOSE_QUEUE + random.below(queuePairs - FIRST_LOOSE_QUEUE + 2);
    switch (random.below(24)) {
      case 0:
      case 1:
      case 2:
        command.clear(AdminOpcode.identify, random.oneIn(4) ? 0 : nsid).dwords(random.below(4));
        command.data(playground, 4096);
        return;
      case 3:
      case 4:
        command.clear(AdminOpcode.getFeatures, random.oneIn(2) ? 0 : nsid);
        command.dwords(random.pick(features) | (random.below(5) << 8), random.oneIn(8) ? random.edge() : 0);
        command.data(playground, 4096);
        return;
      case 5:
      case 6:
        command.clear(AdminOpcode.setFeatures, random.oneIn(2) ? 0 : nsid);
        command.dwords(random.oneIn(8) ? random.below(256) : random.pick(features), random.edge());
        if (random.oneIn(2)) command.cdw[1] = random.below(4);
        command.data(playground, 4096);
        return;
      case 7:
      case 8:
      case 9:
      case 10:
        this.logPage(command, nsid);
        return;
      case 11:
      case 12:
        this.queue(command.clear(AdminOpcode.createCq, 0), queue, 16, 3);
        return;
      case 13:
      case 14:
        this.queue(command.clear(AdminOpcode.createSq, 0), queue, 64, ((queue << 16) | 1) >>> 0);
        return;
      case 15:
        command.clear(AdminOpcode.deleteSq, 0).dwords(queue);
        return;
      case 16:
        command.clear(AdminOpcode.deleteCq, 0).dwords(queue);
        return;
      case 17:
        command.clear(AdminOpcode.abort, 0);
        command.dwords(
          ((random.oneIn(4) ? random.below(0x1_0000) : (cids[random.below(cids.length)] ?? 0)) << 16) >>> 0,
        );
        if (random.oneIn(4)) command.cdw[0] = ((command.cdw[0] as number) | random.below(4)) >>> 0;
        return;
      case 18:
        command.clear(AdminOpcode.asyncEventRequest, 0);
        return;
      case 19:
        command.clear(AdminOpcode.geometry, nsid).data(playground, 4096);
        return;
      case 20:
        command.clear(AdminOpcode.getBadBlockTable, nsid).dwords(random.below(512));
        command.data(playground, 4096);
        return;
      case 21: {
        command.clear(AdminOpcode.setBadBlockTable, nsid);
        const count = 1 + random.below(4);
        const list = playground.vectorPages();
        for (let i = 0; i < count; i++) this.memory.put64(list + 8 * i, random.below(512));
        command.wide(0, count === 1 ? random.below(512) : list);
        // Mostly good again: or soon every block would be bad.
        const value = random.oneIn(3) ? random.pick([1, 2, 3, 4, 8, 255]) : 0;
        command.cdw[2] = (count - 1) | (value << 16);
        return;
      }
      case 22:
        command
          .clear(AdminOpcode.formatNvm, nsid)
          .dwords(random.oneIn(2) ? random.below(4) : random.below(0x1000));
        return;
      default:
        command.clear(random.below(256), nsid).data(playground, 4096);
        for (let i = 0; i < 6; i++) command.cdw[i] = random.below(8);
    }
  }

  private logPage(command: FuzzCommand, nsid: number): void {
    const { random } = this;
    const length = 4 * (1 + random.below(random.oneIn(4) ? 4096 : 128));
    const dwordsZ = length / 4 - 1;
    const lid = random.oneIn(10) ? random.below(256) : random.pick(LOGS);
    command.clear(AdminOpcode.getLogPage, random.oneIn(2) ? 0xffff_ffff : nsid);
    command.dwords((((dwordsZ & 0xffff) << 16) | lid) >>> 0, 0);
    command.wide(2, random.oneIn(2) ? 0 : random.below(256) * 4);
    command.data(this.playground, length);
  }

  private queue(command: FuzzCommand, id: number, entryBytes: number, cdw11: number): void {
    const { random } = this;
    const size = 2 + random.below(random.oneIn(6) ? 2048 : 62);
    command.dwords((((size - 1) << 16) | id) >>> 0, cdw11);
    command.prp1 = this.playground.queuePages(Math.ceil((size * entryBytes) / 4096) + 1);
  }
}
