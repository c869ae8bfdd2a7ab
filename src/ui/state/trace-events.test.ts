import { beforeEach, describe, expect, it, vi } from 'vitest';
import { TraceEncoder } from '../../trace/encode.ts';
import { packModel } from '../../trace/model-state.ts';
import { TraceModel } from '../../trace/model.ts';
import { LineWriter, SHAPE } from '../../trace/test-line.ts';
import { tee } from '../../trace/record.ts';

vi.stubGlobal('requestAnimationFrame', () => 1);
vi.stubGlobal('cancelAnimationFrame', () => {});
const { TraceState } = await import('./trace.svelte.ts');
type Trace = InstanceType<typeof TraceState>;

let trace: Trace;
let events: string[];
let write: (lbas: readonly number[]) => void;

beforeEach(() => {
  trace = new TraceState();
  events = [];
  const model = new TraceModel(SHAPE);
  const encoder = new TraceEncoder();
  trace.take({ state: packModel(model), lost: false });
  const writer = new LineWriter(tee(encoder, model), model);
  writer.open(0);
  write = (lbas) => {
    writer.write(lbas);
    const segment = encoder.take();
    if (segment) trace.take({ segment, lost: false });
  };
  write([1, 2, 3, 4]);
  trace.onEvent((event) => events.push(event));
});

describe('what a recording says of itself', () => {
  it('tells moves from growth, after the view shows them', () => {
    let seen = 0;
    const stop = trace.onEvent(() => (seen = trace.position?.timeUs ?? 0));
    write([5, 6, 7, 8]);
    expect(events).toEqual(['grow']);
    trace.seekTime(3000);
    expect(seen).toBe(3000);
    write([9, 10, 11, 12]);
    expect(seen).toBe(3000);
    trace.goLive();
    expect(events).toEqual(['grow', 'move', 'grow', 'move']);
    trace.mark('here');
    expect(events.at(-1)).toBe('mark');
    stop();
    trace.seekTime(2000);
    expect(seen).not.toBe(2000);
  });

  it('says that another recording is shown', () => {
    trace.take({ state: packModel(new TraceModel(SHAPE)), lost: false });
    expect(events[0]).toBe('open');
    expect(trace.isLive).toBe(true);
  });
});
