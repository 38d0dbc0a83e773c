/** The page of the web installer, as `scripts/build-pages.ts` made it. The executable carries it. */
import page from '../dist/installer.html' with { type: 'text' };

export const installerPage: string = page as unknown as string;
