import type { Clock } from '../../src/device/ports.ts';

/** Time that stands still until a test moves it; deferred tasks wait for {@link run}. */
export class FakeClock implements Clock {
  ms = 0;
  private tasks: (() => void)[] = [];

  nowMs(): number {
    return this.ms;
  }

  defer(task: () => void): void {
    this.tasks.push(task);
  }

  get deferred(): number {
    return this.tasks.length;
  }

  /** Runs what is deferred now, not what that defers in turn. */
  run(): void {
    const tasks = this.tasks;
    this.tasks = [];
    for (const task of tasks) task();
  }
}
