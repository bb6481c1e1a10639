/** A production install has neither these commands nor their packages: deploy/production/reach.ts. */
export async function onLaptop<Module>(load: () => Promise<Module>): Promise<Module> {
  return load().catch((error) => {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error('This install is for production, without `aether start`, `demo` and `token`: use the repository.', {
      cause: error,
    });
  });
}
