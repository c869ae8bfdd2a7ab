import { Command, type CommandHost } from './command.ts';

/** Command objects kept for the next commands; a guest that had thousands in flight does not own them for ever. */
const IDLE_KEPT = 1024;

/** The command objects of a controller: used again and again, so that a command in flight allocates nothing. */
export class CommandPool {
  private readonly host: CommandHost;
  /** Every object there is, idle or in flight. */
  private readonly all: Command[] = [];
  private readonly idle: Command[] = [];

  constructor(host: CommandHost) {
    this.host = host;
  }

  take(): Command {
    const idle = this.idle.pop();
    if (idle) return idle;
    const command = new Command(this.host);
    command.index = this.all.push(command) - 1;
    return command;
  }

  give(command: Command): void {
    if (this.idle.length < IDLE_KEPT) {
      this.idle.push(command);
      return;
    }
    // Forgotten; the last one takes its place.
    const last = this.all.pop();
    if (!last || last === command) return;
    last.index = command.index;
    this.all[last.index] = last;
  }

  /** After a reset: what is in flight now may never end, and only what is idle is used again. */
  abandonInFlight(): void {
    this.all.length = 0;
    for (const command of this.idle) command.index = this.all.push(command) - 1;
  }

  /** The command in flight with this identifier in this queue, other than `not`. */
  inFlight(sqid: number, cid: number, not: Command): Command | undefined {
    return this.all.find(
      (c) => c.sq !== undefined && c !== not && c.queueId === sqid && c.cid === cid && !c.stale,
    );
  }
}
