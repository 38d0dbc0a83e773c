/**
 * What the page of the web installer and its server say to each other, as JSON over HTTP. Scripts may use it too;
 * docs/install.md describes it. Sizes are bytes, times are RFC 3339 in UTC.
 */

/** What happens when an installation has succeeded. */
export type Afterwards = 'nothing' | 'reboot' | 'poweroff';

export interface NewUser {
  readonly name: string;
  /** Plain; it is hashed before it is written anywhere. Empty: the user can log in with a key only. */
  readonly password: string;
  /** Public keys, `github:NAME`, `gitlab:NAME` or URLs. */
  readonly sshKeys: readonly string[];
}

export interface KubernetesChoice {
  /** The key of cloud-config that it becomes. */
  readonly role: 'none' | 'k3s' | 'k3s-agent';
  readonly args: readonly string[];
  /** Of the server to join, such as `https://10.0.0.1:6443`. */
  readonly url: string;
  readonly token: string;
}

/** All that a person answers. */
export interface Answers {
  /** A path below `/dev`, or `auto`. */
  readonly disk: string;
  /** Allows to erase what others have put on the disk. */
  readonly erase: boolean;
  readonly user?: NewUser | undefined;
  /** Empty: the system's default. */
  readonly hostname: string;
  readonly kubernetes: KubernetesChoice;
  /** Further cloud-config, merged over what the answers give. May be empty. */
  readonly cloudConfig: string;
  readonly after: Afterwards;
}

/** A disk of the machine. */
export interface DiskChoice {
  readonly path: string;
  readonly size: number;
  readonly model: string;
  readonly removable: boolean;
  /** What is on it, in words, one line each. */
  readonly contents: readonly string[];
  /** `free`: may be taken; `data`: may be taken when somebody allows to erase what is there; `refused`: may not. */
  readonly state: 'free' | 'data' | 'refused';
  /** Why it may not be taken, or what would be lost. */
  readonly reason?: string | undefined;
  /** Whether `auto` means this one. */
  readonly auto: boolean;
}

export interface ApiError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** A place in the cloud-config where something is wrong. */
export interface ConfigProblem {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** As a compiler shows it, with the line and a caret. */
  readonly text: string;
}

export interface Validation {
  readonly valid: boolean;
  readonly problems: readonly ConfigProblem[];
}

export interface PlanPartition {
  readonly path: string;
  readonly name: string;
  readonly label: string;
  readonly filesystem: string;
  readonly size: number;
}

/** What an installation would do. */
export interface PlanView {
  readonly disk: { readonly path: string; readonly size: number; readonly model: string };
  readonly image: { readonly name: string; readonly version: string; readonly size: number };
  readonly erases: readonly string[];
  readonly partitions: readonly PlanPartition[];
  readonly warnings: readonly string[];
  /** The cloud-config that the answers give, without passwords and tokens. */
  readonly cloudConfig: string;
  readonly after: Afterwards;
}

export type InstallationState = 'running' | 'succeeded' | 'failed' | 'stopped';

/** An installation as it stands. */
export interface InstallationView {
  /** Counts the installations of this server from 1. */
  readonly number: number;
  readonly state: InstallationState;
  readonly started: string;
  readonly finished?: string | undefined;
  /** `prepare`, `partition`, `before-install`, `active`, `bootloader`, `recovery`, `passive`, `after-install`, `done`. */
  readonly phase: string;
  readonly message: string;
  /** 0 to 100; reaches 100 only when all is done. */
  readonly percent: number;
  readonly warnings: readonly string[];
  readonly error?: ApiError | undefined;
  /** What was installed and where, once it is. */
  readonly installed?: { readonly name: string; readonly version: string; readonly disk: string } | undefined;
  readonly after: Afterwards;
  /** When the machine restarts or powers off by itself. */
  readonly endsAt?: string | undefined;
  /** The last lines of the log. */
  readonly log: readonly string[];
}

/** What the page shows before anything is asked. */
export interface NodeView {
  /** Name and version of the image that runs here. */
  readonly image: string;
  /** Version of this program. */
  readonly version: string;
  readonly hostname: string;
  readonly text: string;
  /** Whether the image has a Kubernetes distribution that a node could start. */
  readonly kubernetes: boolean;
  /** Whether cloud-configs of the medium already describe a user who administers the node. */
  readonly hasAdmin: boolean;
  readonly installation?: InstallationView | undefined;
}
