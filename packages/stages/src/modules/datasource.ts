import type { StageModule } from '../context.ts';

export const datasource: StageModule = () => undefined;
