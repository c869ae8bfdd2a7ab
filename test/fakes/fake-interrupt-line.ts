import type { InterruptLine } from '../../src/device/ports.ts';

/** A line that remembers its level and how often it rose. */
export class FakeInterruptLine implements InterruptLine {
  level = false;
  rises = 0;

  assert(): void {
    if (!this.level) this.rises++;
    this.level = true;
  }

  deassert(): void {
    this.level = false;
  }
}
