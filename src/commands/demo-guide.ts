import type { Config } from '../config/load-config.ts'
import type { DemoWorld } from '../simulator/demo-world.ts'

/** One screen of text for a person with only a browser. */
export function renderDemoGuide (config: Config, { marketplaceUrl, applicationUrl }: DemoWorld, envFile: string): string {
  const { publicUrl } = config.application
  const { host, port } = config.listen.operator
  return `
  jointgate demo: everything runs on this machine and is forgotten at Ctrl+C.

    the application, through the gateway   ${publicUrl}
    the marketplace (a simulator)          ${marketplaceUrl}
    the application itself                 ${applicationUrl}   (turns you away)
    the operators' console                 http://${host}:${port}

  1. Open ${publicUrl} in Chrome, Edge or Firefox and press the marketplace's button.
  2. Sign in as  lihua@sunrise  with the password  lihua-2025 .
     You are in the application. It knows who you are and has never seen a password.
  3. Open the buyer console, ${marketplaceUrl} , in another tab
     and press "删除 Remove" beside 李华, or "取消授权 Take back", or "禁用 Disable".
     On the right you see the signed push and the gateway's answer.
  4. Go back to the application and click any link: it is closed to you.
  5. Other ways in and out:
     wangwei@sunrise  wangwei-2025    an ordinary member
     sunli@sunrise    sunli-2025      a member without a grant: the gateway refuses
     zhaomin@sunrise  zhaomin-2025    disabled: the marketplace itself refuses
     chenjie@bluesea  chenjie-2025    another enterprise
  6. The console also renews, freezes and cancels instances, moves departments, speaks
     V1 and V2, and has switches for what can go wrong.
  7. Look in from another terminal, in this folder (docs/operating.md says more):
     node --env-file=${envFile} --import tsx src/main.ts pushes list

`
}
