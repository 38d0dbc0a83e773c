import { stringify } from 'yaml';

/**
 * What `install.ssh_hardening` sets (sshd_config(5)). Algorithms are taken off the program's own lists instead of being
 * named, so that a program that has newer ones offers them, and one that lacks some still starts.
 */
const settings = `# From install.ssh_hardening. Files of /etc/ssh/sshd_config.d that sort before this one win.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PermitRootLogin no
HostbasedAuthentication no
IgnoreRhosts yes
StrictModes yes
PermitUserEnvironment no
MaxAuthTries 4
LoginGraceTime 30
ClientAliveInterval 300
ClientAliveCountMax 3
AllowAgentForwarding no
AllowTcpForwarding no
PermitTunnel no
X11Forwarding no
LogLevel VERBOSE
Ciphers -*-cbc,3des*,arcfour*
MACs -*sha1*,*md5*,umac-64*
KexAlgorithms -*sha1
`;

/** The file of the OEM partition that makes the SSH server strict at each boot. */
export function sshHardeningFile(): string {
  const step = {
    name: 'A strict SSH server',
    if_files: { any: ['/usr/sbin/sshd', '/usr/bin/sshd'] },
    files: [
      {
        path: '/etc/ssh/sshd_config.d/10-kairos-hardening.conf',
        ...{ permissions: 0o600, owner: 0, group: 0, content: settings },
      },
    ],
  };
  return `#cloud-config\n\n${stringify({ stages: { initramfs: [step] } }, { lineWidth: 0 })}`;
}
