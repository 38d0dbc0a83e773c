import { z } from 'zod';

/** Arguments by which the boot loader and the image say what is booted: a second one would take their place. */
const own = /^(root|kairos\.slot|kairos\.verity|kairos\.rootfstype|cos-img\/filename)=/;

/** A word of the kernel's command line. GRUB and the kernel read them, so nothing that either would interpret. */
export const kernelArgument = z
  .string()
  .regex(/^[^\s"'`$\\{}]+$/, 'a kernel argument has no spaces, quotes, $, backslashes or braces')
  .refine(
    (word) => !own.test(word),
    'this argument says which system boots: the image and the boot loader set it',
  );
