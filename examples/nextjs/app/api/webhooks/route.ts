import { verifyWebhook } from "@clerk/nextjs/webhooks";
import type { NextRequest } from "next/server";

export async function POST(request: NextRequest) {
  let event;
  try {
    event = await verifyWebhook(request);
  } catch {
    return new Response("not genuine", { status: 400 });
  }

  switch (event.type) {
    case "user.created":
    case "user.updated":
      console.log(event.type, event.data.id, event.data.first_name);
      break;
    case "user.deleted":
      console.log(event.type, event.data.id);
      break;
  }
  return new Response(`took ${event.type}`);
}
