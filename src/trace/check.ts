import { TraceError } from './bytes.ts';
import { TraceDecoder, type Segment } from './encode.ts';
import type { TraceShape, TraceSink } from './record.ts';
import { sinkOf } from './sink.ts';

/** Goes through a segment that came from outside: a TraceError unless a device of this shape can have made it. */
export function checkSegment(segment: Segment, shape: TraceShape): void {
  let commands = 0;
  const checker = recordChecker(shape, () => commands++);
  const decoder = new TraceDecoder(segment);
  while (decoder.next(checker)) {
    // The checker does the work.
  }
  if (decoder.records !== segment.records || commands !== segment.commands)
    throw new TraceError('The recording does not have as many records as it says.');
  if (decoder.timeUs !== segment.toUs) throw new TraceError('The recording does not end when it says.');
}

function recordChecker(shape: TraceShape, command: () => void): TraceSink {
  const secsPerBlk = shape.numPg * shape.secsPerPg;
  const totalBlks = shape.numCh * shape.numLun * shape.numChk * shape.numPln;
  const check = (block: number, sec: number, secs: number) => {
    if (block >= totalBlks || sec + secs > secsPerBlk)
      throw new TraceError('The recording has a sector outside its device.');
  };
  return sinkOf({
    command,
    write: check,
    learn: check,
    content: (block, sec, bytes) => {
      check(block, sec, 1);
      if (bytes.length > 65_536) throw new TraceError('The recording holds a sector that is too long.');
    },
    erase: (block) => check(block, 0, 0),
    entry: (block, _state, writtenSecs) => check(block, 0, writtenSecs),
  });
}
