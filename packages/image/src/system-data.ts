/** What is laid into images, embedded so that the executable carries it. */
import grubDisk from '../../../system/grub/grub.cfg' with { type: 'text' };
import grubLive from '../../../system/grub/grub-live.cfg' with { type: 'text' };

export { grubDisk, grubLive };
