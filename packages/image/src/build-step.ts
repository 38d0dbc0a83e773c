import type { Compression, FilesystemType } from './filesystem.ts';
import type { Flavor, Init } from './flavor.ts';

/** One step of a build. A plan is a list of them, computed without touching anything. */
export type BuildStep =
  | { readonly kind: 'bootstrap'; readonly suite: string; readonly packages: readonly string[] }
  | { readonly kind: 'unpack'; readonly archive: string }
  | { readonly kind: 'copy'; readonly directory: string }
  | { readonly kind: 'unpack-image'; readonly image: string }
  | {
      readonly kind: 'install-packages';
      readonly manager: Flavor['packageManager'];
      readonly packages: readonly string[];
    }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly content: string;
      readonly mode: number;
      readonly from: string;
    }
  | {
      readonly kind: 'copy-file';
      readonly path: string;
      readonly source: string;
      readonly mode: number;
      readonly from: string;
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string; readonly from: string }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number; readonly from: string }
  | {
      readonly kind: 'services';
      readonly init: Init;
      readonly enable: readonly string[];
      readonly mask: readonly string[];
    }
  | { readonly kind: 'release' }
  | { readonly kind: 'clean' }
  | { readonly kind: 'mount-points'; readonly paths: readonly string[] }
  | { readonly kind: 'check'; readonly checks: readonly PlannedCheck[] }
  | { readonly kind: 'initrd'; readonly type: 'thin' | 'dracut' }
  | { readonly kind: 'bootloader' }
  | {
      readonly kind: 'root-image';
      readonly type: FilesystemType | undefined;
      readonly compression: Compression;
    }
  | { readonly kind: 'container' }
  | { readonly kind: 'publish'; readonly output: string };

export interface PlannedCheck {
  readonly path: string;
  readonly is: 'file' | 'executable' | 'directory';
  readonly hint: string;
  readonly from: string;
}

/** The step of a plan of which there is one at most. */
export function stepOf<K extends BuildStep['kind']>(
  plan: { readonly steps: readonly BuildStep[] },
  kind: K,
): Extract<BuildStep, { kind: K }> | undefined {
  return plan.steps.find((step): step is Extract<BuildStep, { kind: K }> => step.kind === kind);
}
