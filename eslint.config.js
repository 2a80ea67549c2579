import neostandard from 'neostandard'
import tseslint from 'typescript-eslint'
import { noPlainComparison } from './scripts/no-plain-comparison.js'

const typeAware = tseslint.configs.recommendedTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] }))

export default [
  { ignores: ['dist/**', '.tap/**', 'node_modules/**'] },
  ...neostandard({ ts: true }),
  ...typeAware,
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: { project: './test/tsconfig.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@stylistic/max-len': ['error', { code: 140, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true, ignoreUrls: true }],
      '@stylistic/comma-dangle': ['error', 'always-multiline'],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafePromises: [{ from: 'package', name: 'PromiseWithSubtest', package: '@tapjs/core' }] }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/require-await': 'off',
      // A transaction's writes are awaited by awaiting the transaction.
      'no-void': ['error', { allowAsStatement: true }],
      'n/no-process-env': 'error',
    },
  },
  {
    // The environment is read in one place (config/), printed to in another (the commands).
    files: ['src/config/load-config.ts', 'src/commands/**', 'src/main.ts', 'test/**', 'bench/**', 'docs/upstream/**'],
    rules: { 'n/no-process-env': 'off' },
  },
  { files: ['src/**/*.ts'], ignores: ['src/simulator/**'], rules: noPlainComparison },
  {
    files: ['test/**', 'bench/**'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
]
