/** What a disk that fails, or a file system that is damaged, answers to who reads from it. */
export const diskErrors = ['EIO', 'EUCLEAN', 'EBADMSG', 'ENODATA'] as const;
