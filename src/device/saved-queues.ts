import { SavedFields } from '../flash/saved-fields.ts';
import { CQE_BYTES, SQE_BYTES } from '../spec/registers.ts';
import type { ControllerConfig } from './config.ts';
import { CompletionQueue, QueueMemory, SubmissionQueue } from './queues.ts';

/** Entries that AQA can say. */
const MAX_ADMIN_ENTRIES = 4096;
/** Addresses are numbers; see Command. */
const MAX_ADDRESS = 2 ** 64;

interface SavedQueue {
  readonly id: number;
  readonly size: number;
  readonly head: number;
  readonly tail: number;
  /** A list of pages (PC = 0), or one base. */
  readonly paged: boolean;
  readonly pages: readonly number[];
}

export interface SavedQueues {
  readonly cqs: readonly (SavedQueue & { readonly phase: number; readonly ien: boolean })[];
  /** `dropped`: slots whose commands were aborted before they were fetched. */
  readonly sqs: readonly (SavedQueue & { readonly cqid: number; readonly dropped: readonly number[] })[];
}

interface Queues {
  readonly sqs: (SubmissionQueue | undefined)[];
  readonly cqs: (CompletionQueue | undefined)[];
}

/** Queues with nothing in flight: what they reserve, and who uses them, follows from the rest. */
export function saveQueues({ sqs, cqs }: Queues): SavedQueues {
  const common = ({ id, size, head, tail, memory }: SubmissionQueue | CompletionQueue): SavedQueue => ({
    id,
    size,
    head,
    tail,
    ...memory.save(),
  });
  return {
    cqs: cqs.flatMap((cq) => (cq ? [{ ...common(cq), phase: cq.phase, ien: cq.interruptEnabled }] : [])),
    sqs: sqs.flatMap((sq) =>
      sq ? [{ ...common(sq), cqid: sq.cq.id, dropped: [...(sq.dropped ?? [])] }] : [],
    ),
  };
}

/** What was read, not in force yet. */
export interface ReadQueues {
  /** There are admin queues; else there is none at all. */
  readonly exist: boolean;
  takeOver(target: Queues): void;
}

/** Throws SavedStateError. */
export function readQueues(saved: SavedFields, config: ControllerConfig, pageBytes: number): ReadQueues {
  const cqs: Queues['cqs'] = [];
  const sqs: Queues['sqs'] = [];
  const most = config.ioQueuePairs + 1;
  saved.list('cqs', most, (item, what) => {
    const fields = new SavedFields(item, what);
    const { id, size, head, tail, memory } = readQueue(fields, config, pageBytes, CQE_BYTES);
    if (cqs[id]) throw saved.wrong('cqs');
    const cq = new CompletionQueue(id, size, memory, fields.flag('ien'), 0);
    cq.phase = fields.whole('phase', 0, 1);
    cq.head = head;
    cq.tail = tail;
    cqs[id] = cq;
  });
  saved.list('sqs', most, (item, what) => {
    const fields = new SavedFields(item, what);
    const { id, size, head, tail, memory } = readQueue(fields, config, pageBytes, SQE_BYTES);
    const cq = cqs[fields.whole('cqid', 0, config.ioQueuePairs)];
    // The admin queues are a pair of their own.
    if (sqs[id] || !cq || (id === 0) !== (cq.id === 0)) throw saved.wrong('sqs');
    const sq = new SubmissionQueue(id, size, memory, cq);
    sq.head = head;
    sq.tail = tail;
    const dropped = fields.wholes('dropped', size, 0, size - 1);
    const waiting = (tail - head + size) % size;
    if (dropped.some((slot) => (slot - head + size) % size >= waiting)) throw saved.wrong('sqs');
    if (dropped.length > 0) sq.dropped = new Set(dropped);
    cq.users++;
    sqs[id] = sq;
  });
  const exist = sqs[0] !== undefined;
  if (exist !== (cqs[0] !== undefined) || (!exist && cqs.length + sqs.length > 0)) throw saved.wrong('sqs');
  return {
    exist,
    takeOver(target) {
      target.cqs.splice(0, Infinity, ...Array.from(cqs));
      target.sqs.splice(0, Infinity, ...Array.from(sqs));
    },
  };
}

function readQueue(
  fields: SavedFields,
  config: ControllerConfig,
  pageBytes: number,
  entryBytes: number,
): { id: number; size: number; head: number; tail: number; memory: QueueMemory } {
  const id = fields.whole('id', 0, config.ioQueuePairs);
  const size = fields.whole('size', 2, id === 0 ? MAX_ADMIN_ENTRIES : config.maxQueueEntriesZ + 1);
  const head = fields.whole('head', 0, size - 1);
  const tail = fields.whole('tail', 0, size - 1);
  const paged = fields.flag('paged');
  const pageCount = paged ? Math.ceil((size * entryBytes) / pageBytes) : 1;
  // Whether they are in memory is asked with each access, as ever.
  const pages = fields.wholes('pages', pageCount, 1, MAX_ADDRESS);
  if (pages.length !== pageCount || pages.some((page) => page % pageBytes !== 0)) throw fields.wrong('pages');
  if (paged && (id === 0 || config.contiguousQueuesRequired)) throw fields.wrong('paged');
  const memory = paged ? QueueMemory.paged(pages, pageBytes) : QueueMemory.contiguous(pages[0] as number);
  return { id, size, head, tail, memory };
}
