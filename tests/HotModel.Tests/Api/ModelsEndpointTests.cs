using System.Net;
using HotModel.Api;
using Microsoft.AspNetCore.Builder;

namespace HotModel.Tests.Api;

public class ModelsEndpointTests
{
    [Fact]
    public async Task Models_are_listed_sorted_and_found_by_name()
    {
        var endpoint = new ModelsEndpoint(["b", "a/x:Q8", "B"]);
        await using WebApplication app = await ChatHost.ServeAsync(context =>
        {
            if (context.Request.Path == "/v1/models")
                return endpoint.ListAsync(context);
            context.Request.RouteValues["id"] = context.Request.Path.Value!["/v1/models/".Length..];
            return endpoint.GetAsync(context);
        });
        using var client = new HttpClient { BaseAddress = ChatHost.AddressOf(app) };

        Assert.Equal(
            """{"object":"list","data":[{"id":"B","object":"model","owned_by":"hotmodel"},{"id":"a/x:Q8","object":"model","owned_by":"hotmodel"},{"id":"b","object":"model","owned_by":"hotmodel"}]}""",
            await client.GetStringAsync("/v1/models"));
        Assert.Equal("""{"id":"a/x:Q8","object":"model","owned_by":"hotmodel"}""", await client.GetStringAsync("/v1/models/a/x:Q8"));
        using HttpResponseMessage missing = await client.GetAsync("/v1/models/c");
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Contains("Configured are: B, a/x:Q8, b.", await missing.Content.ReadAsStringAsync());
    }
}
