import type { CacheTimes } from '../../src/storage/write-cache.ts';

interface Appointment {
  readonly atMs: number;
  readonly work: () => void;
}

/** Time that moves only when the test says so, from one appointment to the next. */
export class SimTime implements CacheTimes {
  private now = 0;
  /** By time; those of one moment in the order in which they were made. */
  private readonly appointments: Appointment[] = [];

  nowMs(): number {
    return this.now;
  }

  after(ms: number, work: () => void): () => void {
    const appointment = { atMs: this.now + ms, work };
    let at = this.appointments.length;
    while (at > 0 && (this.appointments[at - 1] as Appointment).atMs > appointment.atMs) at--;
    this.appointments.splice(at, 0, appointment);
    return () => {
      const index = this.appointments.indexOf(appointment);
      if (index >= 0) this.appointments.splice(index, 1);
    };
  }

  get nextMs(): number {
    return this.appointments[0]?.atMs ?? Infinity;
  }

  /** Moves to the next appointment and keeps it; false when there is none. */
  step(): boolean {
    const next = this.appointments.shift();
    if (!next) return false;
    this.now = Math.max(this.now, next.atMs);
    next.work();
    return true;
  }

  /** Moves on by so long, keeping the appointments on the way. */
  pass(ms: number): void {
    const end = this.now + ms;
    while (this.nextMs <= end) this.step();
    this.now = end;
  }
}
