using HotModel.Api;
using HotModel.Http;
using HotModel.Llama;
using HotModel.Sessions;
using Microsoft.AspNetCore.WebUtilities;

namespace HotModel.Proxy;

/// <summary>A client's request on a relayed route, read once and sent as often as it must be.</summary>
internal sealed class RelayedRequest
{
    private readonly OutgoingRequest outgoing;
    private readonly string? query;
    private readonly ReadOnlyMemory<byte> body;
    private readonly JsonObjectBody? json;
    private readonly PromptEdit? prompt;
    private readonly FormBody? form;

    /// <param name="route">What it is.</param>
    /// <param name="path">Relative to the upstream's address, escaped.</param>
    /// <param name="request">The client's.</param>
    /// <param name="body">The client's too.</param>
    /// <param name="preset">The prompt to put in, where the route has a place for it.</param>
    public RelayedRequest(
        RelayedRoute route, string path, HttpRequest request, ReadOnlyMemory<byte> body, PresetPrompt preset)
    {
        Route = route;
        query = request.QueryString.Value;
        this.body = body;
        string? contentType = request.ContentType;
        outgoing = new OutgoingRequest(request.Method, path)
        {
            Accept = request.Headers.Accept,
            ContentType = string.IsNullOrEmpty(contentType) ? null : contentType,
        };
        if (route.Model == ModelPlace.Body)
        {
            json = JsonObjectBody.Read(body, PresetPrompt.MemberOf(route.Preset));
            prompt = json is null ? null : preset.Edit(route.Preset, json);
            Model = json?.ModelName;
            if (json is null && JsonText.IsDeeperThan(MessageJson.DepthLimit, body.Span))
                Problem = $"The body is nested more than {MessageJson.DepthLimit} levels deep.";
        }
        else if (route.Model == ModelPlace.FormField)
        {
            form = FormBody.Read(body, contentType!);
            Model = form?.ModelName;
            if (form?.Parts > FormBody.PartsMax)
                Problem = $"The form has more than {FormBody.PartsMax} parts.";
        }
        else
        {
            // Not the web server's own reading of a query, to which "Model" is the same.
            foreach (QueryStringEnumerable.EncodedNameValuePair parameter in new QueryStringEnumerable(query))
            {
                // Of several llama-server obeys the last.
                if (parameter.DecodeName().Span.SequenceEqual("model"))
                    Model = parameter.DecodeValue().ToString();
            }
        }
    }

    public RelayedRoute Route { get; }

    /// <summary>The name in it; null: none, or something that is no text.</summary>
    public string? Model { get; }

    /// <summary>Why it is not passed on, where llama-server would take more for it than it is worth.</summary>
    public string? Problem { get; }

    /// <summary>The client reads events.</summary>
    public bool AsksForStream => Route.MayStream && (json is { Stream: true } || form is { Stream: true });

    /// <summary>With the model's id; all other bytes are the client's.</summary>
    public OutgoingRequest For(Upstream upstream)
    {
        string? model = Route.Model == ModelPlace.Query ? upstream.Model : null;
        return outgoing with
        {
            Path = UpstreamTarget.Of(outgoing.Path, query, model),
            Body = Route.HasBody ? PiecesFor(upstream.Model) : null,
        };
    }

    private IReadOnlyList<ReadOnlyMemory<byte>> PiecesFor(string model) =>
        json is not null ? RequestSplice.Create(json, model, prompt).Pieces
        : form is not null ? form.WithModel(model).Pieces
        : [body];
}
