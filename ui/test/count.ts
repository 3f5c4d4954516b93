// Closes a run with the line `N passed, N failed`.

import type { Reporter, TestModule } from 'vitest/node';

export default class Count implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((m) => [...m.children.allTests()]);
    const passed = tests.filter((test) => test.result().state === 'passed').length;
    // What could not even be collected, or was left out, has failed too.
    const broken = modules.filter((m) => m.errors().length > 0).length + errors.length;
    const failed = tests.length - passed + broken;
    // After the other reporters' lines.
    process.on('exit', () => {
      process.stdout.write(`${String(passed)} passed, ${String(failed)} failed\n`);
    });
  }
}
