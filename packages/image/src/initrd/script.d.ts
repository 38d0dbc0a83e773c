/** The script is a file of its own, so that shells and their checkers can read it; it is bundled as text. */
declare module '*/system/initrd/init' {
  const text: string;
  export default text;
}
