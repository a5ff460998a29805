/** All tests in one go, so that both ends of the list keep every core busy. A package's own are `vitest run` in it. */
export default { test: { projects: ['packages/*', 'apps/*', 'tests'], maxWorkers: '100%' } };
