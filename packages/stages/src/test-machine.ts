import { afterEach } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseDocument } from '@kairos/config/document';
import { type DirectoryHost, type DirectoryHostOptions, directoryHost } from '@kairos/host/directory';
import { type RunStageOptions, runStage, type StageResult } from './run-stage.ts';

/** A machine for tests: a folder. */
export interface TestMachine {
  readonly folder: string;
  readonly host: DirectoryHost;
  put(path: string, content: string, mode?: number): void;
  link(target: string, path: string): void;
  read(path: string): string;
  /** Permission bits in octal. */
  mode(path: string): string;
  /** Runs the stage `boot` of a document. */
  run(text: string, options?: RunStageOptions): Promise<StageResult>;
  /** Runs one step, given as the indented YAML of its keys. */
  step(text: string, options?: RunStageOptions): Promise<StageResult>;
}

/** Gives machines that go after each test of the file. */
export function testMachines(): (options?: DirectoryHostOptions) => TestMachine {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  return (options = {}) => {
    const folder = mkdtempSync(join(tmpdir(), 'stages-'));
    folders.push(folder);
    return machineIn(folder, options);
  };
}

function machineIn(folder: string, options: DirectoryHostOptions): TestMachine {
  const host = directoryHost(folder, options);
  const real = (path: string) => join(folder, path);
  const run = (text: string, runOptions: RunStageOptions = {}) =>
    runStage(host, 'boot', { documents: [parseDocument(text, 'test.yaml')], ...runOptions });
  return {
    folder,
    host,
    put(path, content, mode = 0o644) {
      mkdirSync(dirname(real(path)), { recursive: true });
      writeFileSync(real(path), content, { mode });
    },
    link(target, path) {
      mkdirSync(dirname(real(path)), { recursive: true });
      symlinkSync(target, real(path));
    },
    read: (path) => readFileSync(real(path), 'utf8'),
    mode: (path) => (statSync(real(path)).mode & 0o7777).toString(8),
    run,
    step: (text, runOptions) =>
      run(`stages:\n  boot:\n  - ${text.trim().replaceAll('\n', '\n    ')}\n`, runOptions),
  };
}

/** Problems as `code:line`, for tables. */
export function told(result: StageResult): string[] {
  return result.problems.map(({ code, position }) => `${code}:${position.line}`);
}
