using System.Text;
using HotModel.Api;

namespace HotModel.Tests.Api;

/// <summary>docs/routes.md lists what the program relays and refuses.</summary>
public class RoutesDocumentationTests
{
    [Fact]
    public void Tables_of_the_documentation_are_those_of_the_program()
    {
        string text = File.ReadAllText(Repository.File("docs", "routes.md")).ReplaceLineEndings("\n");

        Assert.True(text.Contains(Relayed(), StringComparison.Ordinal), $"docs/routes.md should have:\n{Relayed()}");
        Assert.True(text.Contains(Refused(), StringComparison.Ordinal), $"docs/routes.md should have:\n{Refused()}");
    }

    private static string Relayed()
    {
        var table = new StringBuilder(
            "| route | also as | `model` in | streams | preset prompt | stored |\n|---|---|---|---|---|---|\n");
        foreach (RelayedRoute route in RelayedRoutes.All)
        {
            string[] cells =
            [
                $"`{route.Method} {route.Path}`", string.Join(", ", route.Aliases.Select(alias => $"`{alias}`")), Place(route.Model),
                route.MayStream ? "yes" : "", Preset(route.Preset), route.HasSession ? "yes" : "",
            ];
            table.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
        }
        return table.Replace("|  |", "| |").Replace("|  |", "| |").ToString();
    }

    private static string Refused() => "| route |\n|---|\n" + string.Concat(RefusedRoutes.All.Select(
        route => $"| `{string.Join(", ", route.Methods)} {route.Path}` |\n"));

    private static string Place(ModelPlace place) => place switch
    {
        ModelPlace.Body => "body",
        ModelPlace.FormField => "form",
        ModelPlace.Query => "query",
    };

    private static string Preset(PresetPlace place) => place switch
    {
        PresetPlace.None => "",
        PresetPlace.Messages => "`messages`",
        PresetPlace.Instructions => "`instructions`",
        PresetPlace.System => "`system`",
    };
}
