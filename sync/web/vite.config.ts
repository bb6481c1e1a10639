import { describeWeb } from '@aether/ui/vite.ts';

export default describeWeb(import.meta.dirname);
