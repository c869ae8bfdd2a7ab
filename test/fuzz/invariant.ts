import type { Fuzz } from './fuzz.ts';

/** What must hold after every step; throws a description when it does not. */
export function checkInvariant(fuzz: Fuzz): void {
  const { host, memory, controller, media, store } = fuzz;
  const problems = [...host.complaints, ...memory.violations, ...fuzz.defects];
  // Every command object of the controller, in flight or idle: two queue pairs of 64, loose ones, and what is kept.
  const { commands } = controller as unknown as { commands: readonly unknown[] };
  if (commands.length > 10_000) problems.push(`${commands.length} command objects`);
  if (store.overlaps > 0) problems.push('a commit began while another was under way');
  if (controller.sqs.length > controller.config.ioQueuePairs + 1) problems.push('too many submission queues');
  if (controller.events.heldCount > controller.config.aerlZ + 1) problems.push('too many events held');
  for (const sq of controller.sqs) {
    if (!sq) continue;
    if (sq.inFlight < 0 || sq.head >= sq.size || sq.tail >= sq.size)
      problems.push(`submission queue ${sq.id}: ${sq.inFlight} in flight, head ${sq.head}, tail ${sq.tail}`);
  }
  for (const cq of controller.cqs) {
    if (!cq) continue;
    const users = controller.sqs.filter((sq) => sq?.cq === cq).length;
    if (cq.reserved < 0 || cq.free < 0 || cq.head >= cq.size || cq.tail >= cq.size || cq.users !== users)
      problems.push(`completion queue ${cq.id}: ${cq.reserved} reserved, ${cq.free} free, ${cq.users} users`);
  }
  if (host.inStep && controller.isReady && !host.isWaiting) {
    for (const sq of controller.sqs) {
      if (sq && sq.id < 2 && sq.inFlight > 0)
        problems.push(`queue ${sq.id} at rest has ${sq.inFlight} in flight`);
    }
    if (store.immediate && !media.units.failure && media.units.pendingCommits > 0)
      problems.push('a store that answers at once is behind');
  }
  if (problems.length > 0) throw new Error(`${problems.join('\n')}\nThe last commands:\n${host.recentText}`);
}
