/** What the build tells the worker: src/offline/boot-states-plugin.ts. */
declare module 'virtual:boot-states' {
  import type { BootStateList } from '../src/lab/boot-state.ts';
  /** Undefined while developing: the list is asked for. */
  const list: BootStateList | undefined;
  export default list;
}
