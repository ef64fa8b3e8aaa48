namespace HotModel.Api;

/// <param name="Methods">All that is refused on the path.</param>
/// <param name="Path">{id} is one segment, {**rest} anything behind it or nothing.</param>
/// <param name="Reason">What to do instead.</param>
internal sealed record RefusedRoute(IReadOnlyList<string> Methods, string Path, string Reason);

/// <summary>
/// Routes of llama-server that would change which model is loaded or what it holds, or keep it busy, behind hotmodel's back;
/// and its own news of that, which are not hotmodel's.
/// </summary>
internal static class RefusedRoutes
{
    private const string Models =
        "Which models there are is in hotmodel's configuration, and which of them is loaded is hotmodel's to decide: "
        + "POST /admin/switch with {\"model\": \"NAME\"} changes it.";
    private const string Events =
        "llama-server's own events are not passed on: GET /admin/events tells how POST /admin/switch goes.";
    private const string Slots =
        "What the slots hold is hotmodel's to save, restore and erase: it does so by itself when a model leaves and comes "
        + "back. GET /slots shows them.";
    private const string Streams =
        "Streams that go on without their reader are not offered: they would keep the model busy, and a "
        + "POST /admin/switch waiting, for nobody.";

    public static readonly IReadOnlyList<RefusedRoute> All =
    [
        new(["POST", "DELETE"], "/models/{**rest}", Models),
        new(["POST", "DELETE"], "/v1/models/{**rest}", Models),
        new(["GET"], "/models/sse", Events),
        new(["GET"], "/v1/models/sse", Events),
        new(["POST"], "/slots/{id}", Slots),
        new(["GET", "POST", "DELETE"], "/v1/stream/{**rest}", Streams),
        new(["POST"], "/v1/streams/lookup", Streams),
    ];

    public static void Map(IEndpointRouteBuilder routes)
    {
        foreach (var route in All)
        {
            routes.MapMethods(route.Path, route.Methods, context => ApiError.WriteAsync(
                context.Response, StatusCodes.Status403Forbidden, ApiError.Permission, "route_refused", route.Reason));
        }
    }
}
