namespace HotModel.Api;

/// <param name="Methods">All that is refused on the path.</param>
/// <param name="Path">As llama-server has it; {**rest} is anything behind it.</param>
/// <param name="Reason">What to do instead.</param>
internal sealed record RefusedRoute(IReadOnlyList<string> Methods, string Path, string Reason);

/// <summary>Routes of llama-server that would change which model is loaded, or keep it busy, behind hotmodel's back.</summary>
internal static class RefusedRoutes
{
    private const string Models =
        "Which model is loaded is hotmodel's to decide: POST /admin/switch with {\"model\": \"NAME\"} changes it.";
    private const string Streams =
        "Streams that go on without their reader are not offered: they would keep the model busy, and a "
        + "POST /admin/switch waiting, for nobody.";

    public static readonly IReadOnlyList<RefusedRoute> All =
    [
        new(["POST"], "/models/load", Models),
        new(["POST"], "/models/unload", Models),
        new(["POST", "DELETE"], "/models", Models),
        new(["POST", "DELETE"], "/v1/models", Models),
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
