/** Keeps messages that come before there is anybody to take them. Call what it answers when there is. */
export function holdMessages(target: EventTarget): () => void {
  const held: MessageEvent[] = [];
  const hold = (event: Event): void => {
    held.push(event as MessageEvent);
  };
  target.addEventListener('message', hold);
  return () => {
    target.removeEventListener('message', hold);
    for (const { data, ports } of held.splice(0))
      target.dispatchEvent(new MessageEvent('message', { data, ports: [...ports] }));
  };
}
