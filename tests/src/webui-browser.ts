import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

/** Where pictures of screens are kept. */
const pictures = join(import.meta.dir, '../../.work/pictures');

export interface BrowserOptions {
  readonly dark?: boolean;
  readonly phone?: boolean;
}

/** A headless Chromium with a profile of its own, which is gone when it is closed. */
export class Browser implements AsyncDisposable {
  private constructor(
    private readonly context: BrowserContext,
    private readonly profile: string,
    readonly page: Page,
    private readonly prefix: string,
    /** What pages complained about. */
    readonly complaints: string[],
  ) {}

  static async start(prefix: string, options: BrowserOptions = {}): Promise<Browser> {
    mkdirSync(pictures, { recursive: true });
    const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: '/usr/bin/chromium',
      args: [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ],
      ignoreHTTPSErrors: true,
      viewport: options.phone ? { width: 390, height: 844 } : { width: 1100, height: 900 },
      colorScheme: options.dark ? 'dark' : 'light',
    });
    const page = context.pages()[0] ?? (await context.newPage());
    const complaints: string[] = [];
    page.on('console', (message) => {
      // A refusal that a test provokes is logged by the browser too.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text()))
        complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    return new Browser(context, profile, page, prefix, complaints);
  }

  /** Keeps a picture of the whole page. */
  async picture(name: string): Promise<void> {
    await this.page.screenshot({ path: join(pictures, `${this.prefix}-${name}.png`), fullPage: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}
