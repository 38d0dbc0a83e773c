/** The project's version: in the executable, in images and in provenance records. */
export const version = '0.1.0';
